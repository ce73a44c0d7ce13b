"""An error from another process: its class, its text, its plain attributes, and nothing executed."""

import json
import sys

import pytest

from partita import DecodeError, TopicMissing
from partita.core.failures import LONGEST_TEXT, pack_error, raisable, unpack_error


class Declined(Exception):
    """An error with an attribute of its own."""

    def __init__(self, code: int) -> None:
        super().__init__(f"declined with {code}")
        self.code = code
        self.connection = object()


class Spoken(Exception):
    """An error whose text needs what is no plain data."""

    def __init__(self, parts: list[str]) -> None:
        super().__init__(parts)
        self.parts = parts

    def __str__(self) -> str:
        return " ".join(self.parts)


class Broken(Exception):
    """An error that cannot even be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        KeyError("customer"),
        FileNotFoundError(2, "No such file"),
        DecodeError("not JSON"),
        TopicMissing("bills"),
        SystemExit(3),
        ConnectionResetError(),
        Declined(7),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_has_its_class_and_text_on_the_other_side(error: BaseException) -> None:
    """So `retry_on`, `give_up_on` and a breaker's `counts` mean the same for a handler in a process."""
    made = unpack_error(pack_error(error, "Traceback: app.py, line 3"))

    assert type(made) is type(error)
    assert str(made) == str(error)
    assert made.__notes__ == ["raised in another process:\nTraceback: app.py, line 3"]


def test_plain_attributes_go_along_and_others_do_not() -> None:
    """What is no plain data would have to be pickled."""
    made = unpack_error(pack_error(Declined(7), ""))

    assert isinstance(made, Declined)
    assert made.code == 7
    assert not hasattr(made, "connection")


def test_a_class_that_cannot_be_made_again_is_stood_in_for_by_its_base() -> None:
    """The text stays, and a note says what it was."""
    made = unpack_error(pack_error(Spoken(["not", "me"]), ""))
    grouped = unpack_error(pack_error(ExceptionGroup("two", [ValueError("a"), KeyError("b")]), ""))
    unprinted = unpack_error(pack_error(Broken(), ""))

    assert (type(made), str(made)) == (Exception, "not me")
    assert made.__notes__[0].endswith("test_failures.Spoken")
    assert (type(grouped), str(grouped)) == (Exception, "two (2 sub-exceptions)")
    assert (type(unprinted), str(unprinted)) == (Exception, "its text cannot be had (RuntimeError)")


def test_nothing_is_imported_because_a_text_names_it() -> None:
    """A class that is not loaded here does not become so, and what is no error class is none."""
    told = {"args": ["x"], "fields": {}, "text": "x", "trace": ""}
    unloaded = {**told, "classes": [["this", "Zen"], ["builtins", "print"]]}

    made = unpack_error(json.dumps(unloaded).encode())

    assert (type(made), str(made)) == (Exception, "x")
    assert "this" not in sys.modules


def test_a_text_without_end_is_cut() -> None:
    """An error with a megabyte in it must not cost more than what it says."""
    packed = pack_error(ValueError("x" * 1_000_000), "y" * 1_000_000)

    made = unpack_error(packed)

    assert len(packed) < 4 * LONGEST_TEXT
    assert (type(made), str(made)) == (ValueError, "x" * LONGEST_TEXT)


def test_a_stop_iteration_becomes_an_error_that_a_future_takes() -> None:
    """Any other stays itself."""
    stop, error = StopIteration(), ValueError("no")

    told = raisable(stop)

    assert isinstance(told, RuntimeError)
    assert told.__cause__ is stop
    assert raisable(error) is error
