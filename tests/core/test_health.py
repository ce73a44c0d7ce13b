"""What health says, and how errors are told."""

from partita import Health, Parked, Part
from partita.core.health import describe


class Unspeakable(Exception):
    """An error whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_healthy_is_when_every_part_is() -> None:
    """One red part is enough."""
    green, red = Part(healthy=True), Part(healthy=False, reason="away", since=3.0)

    assert Health({"broker": green}).healthy
    assert not Health({"broker": green, "consumer a": red}).healthy


def test_a_parked_message_is_named_in_full() -> None:
    """Where it is, whose it is, and why: enough to look at it."""
    parked = Parked("charge", "orders", 3, 17, "ValueError: no")

    assert str(parked) == "orders/3@17 in charge: ValueError: no"


def test_an_error_is_told_by_class_and_text() -> None:
    """A class alone when there is no text."""
    assert describe(ValueError("no")) == "ValueError: no"
    assert describe(KeyError()) == "KeyError"


def test_an_error_is_told_with_its_first_note() -> None:
    """Where a client's error says too little, what it lacks is in a note."""
    told, bare = ValueError("no"), KeyError()
    told.add_note("ask for it")
    bare.add_note("ask for it")

    assert describe(told) == "ValueError: no; ask for it"
    assert describe(bare) == "KeyError: ask for it"


def test_an_error_is_told_on_one_line() -> None:
    """A text with a line break must not forge a log line."""
    assert describe(ValueError("a\nb\x1b[31m")) == r"ValueError: a\nb\x1b[31m"


def test_a_long_text_is_cut() -> None:
    """A payload that ended up in an error must not fill the log."""
    told = describe(ValueError("x" * 10_000_000))

    assert len(told) == 300
    assert told.endswith("...")


def test_an_error_without_a_text_to_be_had_is_told_by_class() -> None:
    """A handler's broken error is that message's outcome and nobody else's trouble."""
    assert "Unspeakable" in describe(Unspeakable())
