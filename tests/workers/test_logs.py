"""What a worker writes to its log: one line a record, and no flood while a broker is away."""

import errno
import io
import json
import logging

import pytest

from partita_worker.logs import JsonFormatter, Lines, OnceInAWhile, TextFormatter


def record(name: str, text: str, *values: object, at: float = 0.0) -> logging.LogRecord:
    """One record of a logger, made at a time in seconds."""
    made = logging.LogRecord(name, logging.ERROR, "", 0, text, values, None)
    made.created = at
    return made


def test_a_client_that_repeats_itself_is_heard_once_in_five_seconds_and_counted() -> None:
    """The values in a line do not make it another kind of line."""
    passes = OnceInAWhile(5.0)
    lines = [record("aiokafka.conn", "no answer from %s", n, at=n / 10) for n in range(60)]

    heard = [line.getMessage() for line in lines if passes(line)]

    assert heard == ["no answer from 0", "no answer from 50 (49 more like it before)"]


def test_other_kinds_of_lines_and_our_own_are_not_held_back() -> None:
    """What is held back is told by its own earlier line."""
    passes = OnceInAWhile(5.0)

    assert passes(record("nats", "one"))
    assert passes(record("nats", "two"))
    assert passes(record("nats.aio", "one"))
    assert all(passes(record("partita.nats", "one")) for _ in range(3))
    assert all(passes(record("shop", "one")) for _ in range(3))


def test_messages_that_were_not_acknowledged_are_told_once_in_a_while() -> None:
    """A hundred thousand of them are one cause."""
    passes = OnceInAWhile(5.0)

    assert sum(passes(record("partita.publisher", "not acknowledged: %s", n)) for n in range(1000)) == 1


@pytest.mark.parametrize("form", [TextFormatter(), JsonFormatter()])
def test_a_text_of_several_lines_stays_one_line(form: logging.Formatter) -> None:
    """Whoever reads the log line by line sees one record a line."""
    line = form.format(record("aiokafka", "one\ntwo\r\nthree %s", object()))

    assert len(line.splitlines()) == 1


def test_values_that_do_not_fit_their_text_are_no_reason_to_write_something_else() -> None:
    """Python would print a traceback of its own between the JSON lines."""
    line = JsonFormatter().format(record("shop", "%s and %s", "one"))

    assert json.loads(line)["event"] == "%s and %s (its values do not fit: TypeError)"


def test_a_record_with_an_exception_is_one_json_object() -> None:
    """The traceback is a field of it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.Logger("x")
    logger.addHandler(handler)

    try:
        raise ValueError("a\nb")
    except ValueError:
        logger.exception("it failed", extra={"topic": "t", "offset": 3})

    read = json.loads(stream.getvalue())
    assert (read["event"], read["topic"], read["offset"]) == ("it failed", "t", 3)
    assert read["exception"].endswith("ValueError: a\nb")


def test_lines_that_cannot_be_written_are_counted_and_told_by_the_next_one() -> None:
    """A full disk stops no worker, and the log says that it is not whole."""
    disk = FullDisk()
    handler = Lines(disk)
    handler.setFormatter(TextFormatter())

    for number, full in enumerate([False, True, True, False, False]):
        disk.full = full
        handler.handle(logging.LogRecord("shop", logging.INFO, "", 0, "line %d", (number,), None))

    told = [line.partition("shop: ")[2] for line in disk.getvalue().splitlines()]
    assert told == ["line 0", "line 3 (2 lines before it are late or missing)", "line 4"]


class FullDisk(io.StringIO):
    """A file on a disk that may be full."""

    full = False

    def write(self, text: str) -> int:
        """Write, if there is room."""
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)
