"""Our errors: one base, texts that say what to do, and groups that keep their receipts."""

import pytest

from partita import (
    Closed,
    DecodeError,
    MessageTooLarge,
    PartitaError,
    PublishErrors,
    RestartLimitReached,
    RouteError,
    SettingsError,
    TopicMissing,
    Unroutable,
)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TopicMissing("orders"), "worker topics create orders"),
        (MessageTooLarge("orders", 20, 10), "20 bytes for 'orders' is above the limit of 10 bytes"),
        (Unroutable("orders", "type"), "add a handler for that kind"),
        (RestartLimitReached("poller", 6, 60.0), "poller failed 6 times within 60 s"),
    ],
)
def test_texts_say_what_to_do(error: PartitaError, told: str) -> None:
    """One paragraph is enough to go on."""
    assert told in str(error)


@pytest.mark.parametrize(
    ("ours", "builtin"),
    [
        (SettingsError, ValueError),
        (RouteError, TypeError),
        (TopicMissing, LookupError),
        (MessageTooLarge, ValueError),
        (DecodeError, ValueError),
        (Unroutable, LookupError),
        (Closed, RuntimeError),
    ],
)
def test_each_is_what_a_caller_would_expect_of_python(ours: type[PartitaError], builtin: type) -> None:
    """Both the base and the builtin can be caught."""
    assert issubclass(ours, PartitaError)
    assert issubclass(ours, builtin)


def test_attributes_carry_what_the_text_says() -> None:
    """Nobody has to parse an error."""
    error = MessageTooLarge("orders", 20, 10)

    assert (error.topic, error.size, error.limit) == ("orders", 20, 10)


def test_publish_errors_keep_the_receipts_through_a_split() -> None:
    """`except*` hands out parts; each knows its own errors and all receipts."""
    first, second = OSError("first"), ValueError("second")
    group = PublishErrors("two failed", [first, second], {1: "receipt"}, {0: first, 2: second})

    matched, rest = group.split(OSError)

    assert isinstance(matched, PublishErrors)
    assert isinstance(rest, PublishErrors)
    assert matched.errors == {0: first}
    assert rest.errors == {2: second}
    assert matched.receipts == rest.receipts == {1: "receipt"}


def test_publish_errors_without_indices_are_numbered() -> None:
    """Deliveries that were sent one by one have no batch to point into."""
    error = OSError("first")

    group = PublishErrors("one failed", [error])

    assert {0: error} == group.errors
    assert group.receipts == {}
