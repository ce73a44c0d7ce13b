"""What the server's statuses mean to a pull."""

import pytest

from partita.backends.nats.statuses import Meaning, Status, status_of


@pytest.mark.parametrize(
    ("code", "words", "meaning"),
    [
        (100, "Idle Heartbeat", Meaning.BEAT),
        (404, "No Messages", Meaning.OVER),
        (408, "Request Timeout", Meaning.OVER),
        (408, "Requests Pending", Meaning.OVER),
        (409, "Message Size Exceeds MaxBytes", Meaning.OVER),
        (409, "Batch Completed", Meaning.OVER),
        (409, "Leadership Change", Meaning.LATER),
        (409, "Server Shutdown", Meaning.LATER),
        (409, "Exceeded MaxWaiting", Meaning.LATER),
        (409, "Consumer Deleted", Meaning.FAILED),
        (409, "Consumer is push based", Meaning.FAILED),
        (409, "Exceeded MaxRequestMaxBytes of 5", Meaning.FAILED),
        (423, "Nats-Pin-Id mismatch", Meaning.WRONG_PIN),
        (423, "Nats-Wrong-Pin-Id", Meaning.WRONG_PIN),
        (503, "", Meaning.GONE),
        (400, "Bad Request", Meaning.FAILED),
        (777, "", Meaning.FAILED),
    ],
)
def test_each_status_asks_for_one_thing(code: int, words: str, meaning: Meaning) -> None:
    """What is unknown is never waited on."""
    assert Status(code, words).meaning is meaning


def test_a_message_is_no_status_whatever_its_headers_say() -> None:
    """A user's header named Status does not turn a message into one."""
    assert status_of({"Status": "100", "Nats-Pin-Id": "p"}, 0) is None
    assert status_of({"Status": "100"}, 5) is None
    assert status_of(None, 0) is None


def test_a_heartbeat_tells_the_latest_delivery() -> None:
    """By it a member learns that a message for it was lost."""
    headers = {"Status": "100", "Description": "Idle Heartbeat", "Nats-Last-Consumer": "17"}

    assert status_of(headers, 0) == Status(100, "Idle Heartbeat", 17)
