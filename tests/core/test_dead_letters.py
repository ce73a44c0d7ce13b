"""What a dead letter carries, what is read back from it, and what a replay publishes."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.letters import Record, letter_of

from partita.core.dead_letters import (
    PREFIX,
    REPLAYS,
    Death,
    read_dead_letter,
    replayed,
    replays_of,
)
from partita.core.errors import DecodeError, Unroutable
from partita.core.ports import Headers

TRACEPARENT = ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


names = st.text(max_size=12) | st.sampled_from([REPLAYS, f"{PREFIX}topic", f"{PREFIX}x", "traceparent"])
header_lists = st.lists(st.tuples(names, st.binary(max_size=12)), max_size=6)
payloads = st.none() | st.binary(max_size=12)


@given(payloads, payloads, header_lists, st.text(max_size=400), st.integers(1, 99))
def test_death_and_replay_give_the_message_back(
    value: bytes | None, key: bytes | None, headers: Sequence[tuple[str, bytes]], text: str, attempts: int
) -> None:
    """Value, key and headers come back byte for byte and in order, whatever they and the errors are."""
    record = Record(value, key, headers)
    own = [pair for pair in headers if not pair[0].startswith(PREFIX)]

    letter = letter_of(record, Death("charge", "billing", attempts, ValueError(text), RuntimeError(text)))
    notice = read_dead_letter(letter.headers)
    back = replayed(letter.value, letter.key, letter.headers)

    assert (letter.value, letter.key, list(letter.headers)[: len(own)]) == (value, key, own)
    assert (letter.timestamp, letter.partition) == (None, None)
    assert notice is not None
    assert (notice.topic, notice.partition, notice.offset) == ("orders", 3, 17)
    assert (notice.timestamp, notice.attempts) == (1_700_000_000_000, attempts)
    assert notice.replays == replays_of(headers)
    assert notice.error.isprintable()
    assert len(notice.error) <= 300
    assert (back.value, back.key, list(back.headers)[:-1]) == (value, key, own)
    assert back.headers[-1] == (REPLAYS, b"%d" % (replays_of(headers) + 1))


def test_every_fact_is_in_the_headers() -> None:
    """Where it was, how often it was tried, what was raised first and last, by whom, in which trace."""
    letter = letter_of(Record(headers=[TRACEPARENT]))

    told = {name.removeprefix(PREFIX): value for name, value in letter.headers[1:]}

    assert told == {
        "topic": b"orders",
        "partition": b"3",
        "offset": b"17",
        "timestamp": b"1700000000000",
        "attempts": b"5",
        "first-error-class": b"ValueError",
        "first-error": b"a",
        "last-error-class": b"KeyError",
        "last-error": b"'b'",
        "handler": b"charge",
        "group": b"billing",
        "trace-id": b"0af7651916cd43dd8448eb211c80319c",
        "reason": b"exhausted",
    }
    assert letter.headers[0] == TRACEPARENT


def test_forged_headers_are_dropped() -> None:
    """A message that says it was elsewhere is not believed: only one header of each name is left, ours."""
    forged = [(f"{PREFIX}topic", b"payroll"), (f"{PREFIX}offset", b"0"), ("kind", b"refund")]

    letter = letter_of(Record(headers=forged))

    assert [value for name, value in letter.headers if name == f"{PREFIX}topic"] == [b"orders"]
    assert [value for name, value in letter.headers if name == f"{PREFIX}offset"] == [b"17"]
    assert letter.headers[0] == ("kind", b"refund")


def test_a_message_that_dies_again_counts_its_replays() -> None:
    """The number survives death and replay, so that a loop can be ended."""
    letter = letter_of(Record())
    for _ in range(3):
        back = replayed(letter.value, letter.key, letter.headers)
        letter = letter_of(Record(headers=back.headers))

    notice = read_dead_letter(letter.headers)

    assert notice is not None
    assert notice.replays == 3


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DecodeError("no JSON"), "undecodable"),
        (Unroutable("orders", "type"), "unroutable"),
        (ValueError(), "exhausted"),
    ],
)
def test_the_reason_is_that_of_the_last_error(error: Exception, reason: str) -> None:
    """Decode errors, kinds that nobody handles and failed handlers are told apart."""
    notice = read_dead_letter(letter_of(Record(), Death("charge", "g", 1, error, error)).headers)

    assert notice is not None
    assert notice.reason == reason


def test_an_error_is_told_on_one_short_line_with_its_dotted_class() -> None:
    """Neither a line break nor a long text of a foreign error gets into a header."""
    error = DecodeError("line\nbreak \x1b[31m" + "x" * 500)

    notice = read_dead_letter(letter_of(Record(), Death("charge", "g", 1, error, error)).headers)

    assert notice is not None
    assert notice.error_class == "partita.core.errors.DecodeError"
    assert notice.error.startswith("line\\nbreak \\x1b[31mxxx")
    assert len(notice.error) <= 300


@pytest.mark.parametrize(
    "traceparents",
    [
        [("traceparent", b"nonsense")],
        [TRACEPARENT, ("traceparent", TRACEPARENT[1].replace(b"0af", b"0ae"))],
        [],
    ],
)
def test_without_a_clear_trace_there_is_no_trace_id(traceparents: Headers) -> None:
    """A malformed traceparent, two different ones, or none: nothing is said."""
    notice = read_dead_letter(letter_of(Record(headers=traceparents)).headers)

    assert notice is not None
    assert notice.trace_id == ""


def test_a_trace_id_that_is_given_is_the_one_that_is_told() -> None:
    """The worker knows the trace of a message that came without one."""
    death = Death("charge", "g", 1, ValueError(), ValueError(), trace_id="1" * 32)

    notice = read_dead_letter(letter_of(Record(), death).headers)

    assert notice is not None
    assert notice.trace_id == "1" * 32


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("topic", b"no/topic"),
        ("topic", b"\xff"),
        ("partition", b"-1"),
        ("partition", b""),
        ("offset", b"12x"),
        ("offset", b"9" * 30),
    ],
)
def test_headers_that_make_no_sense_are_no_dead_letter(name: str, value: bytes) -> None:
    """A replay must know where to, so whatever does not name a place is not one of ours."""
    headers = [pair for pair in letter_of(Record()).headers if pair[0] != f"{PREFIX}{name}"]

    assert read_dead_letter(headers) is None
    assert read_dead_letter([*headers, (f"{PREFIX}{name}", value)]) is None


@given(header_lists)
def test_any_headers_can_be_read(headers: Sequence[tuple[str, bytes]]) -> None:
    """Reading never raises, and numbers that are damaged are left at their defaults."""
    place = [(f"{PREFIX}topic", b"orders"), (f"{PREFIX}partition", b"3"), (f"{PREFIX}offset", b"17")]

    notice = read_dead_letter([*headers, (f"{PREFIX}attempts", b"-4"), *place])

    assert read_dead_letter(headers) is None
    assert notice is not None
    assert (notice.attempts, notice.timestamp) == (0, None)


def test_a_long_text_of_control_characters_is_cut_after_escaping() -> None:
    """What stands in a header that somebody else wrote is bounded as well."""
    headers = [*letter_of(Record()).headers, (f"{PREFIX}last-error", b"\x00" * 300)]

    notice = read_dead_letter(headers)

    assert notice is not None
    assert notice.error == ("\\x00" * 300)[:297] + "..."
