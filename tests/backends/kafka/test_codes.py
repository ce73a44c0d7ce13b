"""The broker's error codes that the client does not know."""

import copy

import pytest
from aiokafka.errors import BrokerResponseError, UnknownError, for_code, kafka_errors

from partita.backends.kafka import codes, open_backend

# What aiokafka 0.14 knows by itself: -1, 0 to 72, and 79.
KNOWN = {*range(-1, 73), 79}


def test_the_client_knows_what_it_did_and_takes_its_errors_from_the_table() -> None:
    """The canary: it fails when aiokafka learns the codes itself, or makes its errors in another way."""
    ours = {code for code, each in kafka_errors.items() if each.__module__ == codes.__name__}

    assert ours == set(codes.CODES)
    assert set(kafka_errors) - ours == KNOWN
    assert all(for_code(code) is each for code, each in kafka_errors.items())
    assert for_code(32_000) is UnknownError


@pytest.mark.parametrize(
    ("code", "name", "retriable"),
    [
        (74, "FENCED_LEADER_EPOCH", True),
        (76, "UNSUPPORTED_COMPRESSION_TYPE", False),
        (82, "FENCED_INSTANCE_ID", False),
        (89, "THROTTLING_QUOTA_EXCEEDED", True),
        (90, "PRODUCER_FENCED", False),
        (100, "UNKNOWN_TOPIC_ID", True),
        (119, "INVALID_REGISTRATION", False),
    ],
)
def test_a_new_code_keeps_number_and_name_and_is_still_unknown_to_who_caught_that(
    code: int, name: str, retriable: bool
) -> None:
    """`except UnknownError` goes on working, and now there is something to look up."""
    error = for_code(code)("why")

    assert isinstance(error, UnknownError)
    assert (error.errno, error.message, error.retriable) == (code, name, retriable)
    assert str(error) == f"[Error {code}] {type(error).__name__}: why"
    assert open_backend("kafka://127.0.0.1:1", {}).is_retriable(error) is retriable


def test_an_error_of_a_new_code_can_be_copied() -> None:
    """Each message of a batch that failed is told with an error of its own."""
    error = copy.copy(for_code(82)("why"))

    assert (type(error), error.args) == (for_code(82), ("why",))


def test_what_the_table_has_already_stays() -> None:
    """A release that learns a code is believed."""
    theirs: dict[int, type[BrokerResponseError]] = {82: UnknownError}

    codes.register(theirs)

    assert theirs[82] is UnknownError
    assert theirs[74].__name__ == "FencedLeaderEpochError"
    assert set(theirs) == set(codes.CODES)
