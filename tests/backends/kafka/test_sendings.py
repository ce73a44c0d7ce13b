"""What is checked before a message is sent, and how many bytes may be under way."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partita.backends.kafka.sendings import Budget, Sending, estimate, framed, prepare
from partita.core.errors import MessageTooLarge, SettingsError
from partita.core.ports import Outgoing


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that makes futures and never runs."""
    made = asyncio.new_event_loop()
    yield made
    made.close()


def prepared(loop: asyncio.AbstractEventLoop, message: Outgoing, limit: int = 1_000_000) -> Sending:
    """A message that was checked."""
    return prepare("t", message, limit, 0.0, loop.create_future())


@pytest.mark.parametrize(
    "message",
    [
        Outgoing("text"),  # type: ignore[arg-type] # what is tested
        Outgoing(b"", key=1),  # type: ignore[arg-type] # what is tested
        Outgoing(b"", headers=[("a", "b")]),  # type: ignore[list-item] # what is tested
        Outgoing(b"", headers=[(b"a", b"b")]),  # type: ignore[list-item] # what is tested
        Outgoing(b"", headers=[("a", None)]),  # type: ignore[list-item] # what is tested
    ],
)
def test_a_message_of_the_wrong_type_is_refused_before_it_is_queued(
    loop: asyncio.AbstractEventLoop, message: Outgoing
) -> None:
    """It could not be put on the wire, and must not reach a batch with others."""
    with pytest.raises(TypeError):
        prepared(loop, message)


@pytest.mark.parametrize("timestamp", [-5, 2**63, 1.5, True])
def test_a_timestamp_outside_the_wire_format_is_refused(
    loop: asyncio.AbstractEventLoop, timestamp: int
) -> None:
    """The number has 63 bits and begins in 1970."""
    with pytest.raises(SettingsError, match="milliseconds"):
        prepared(loop, Outgoing(b"", timestamp=timestamp))


def test_a_message_above_the_limit_is_refused_with_both_sizes(loop: asyncio.AbstractEventLoop) -> None:
    """Nothing of it is sent."""
    with pytest.raises(MessageTooLarge) as refused:
        prepared(loop, Outgoing(b"x" * 100), limit=90)

    assert refused.value.limit == 90
    assert refused.value.size > 100


def test_bytes_that_may_change_are_copied(loop: asyncio.AbstractEventLoop) -> None:
    """A caller may use its buffer again at once."""
    buffer = bytearray(b"before")

    made = prepared(loop, Outgoing(buffer))  # type: ignore[arg-type] # what is tested
    buffer[:] = b"after!"

    assert made.value == b"before"


@given(st.none() | st.binary(max_size=2000), st.none() | st.binary(max_size=2000))
def test_what_a_message_counts_as_is_an_upper_bound(key: bytes | None, value: bytes | None) -> None:
    """A batch that is not full by our count is not full by the client's."""
    assert estimate(key, value, []) <= framed(key, value)


def waiting(budget: Budget, loop: asyncio.AbstractEventLoop, size: int, due: float = 9.0) -> list[int]:
    """A message that waits for room; the list says when it got it."""
    placed: list[int] = []
    sending = Sending(b"", None, [], 0, None, size, due, loop.create_future())
    budget.waiting.append((sending, lambda each: placed.append(each.size)))
    return placed


def test_messages_that_wait_get_room_in_the_order_they_came(loop: asyncio.AbstractEventLoop) -> None:
    """A small one does not overtake a large one, and nobody else may begin while somebody waits."""
    budget = Budget(100, held=90)
    large, small = waiting(budget, loop, 80), waiting(budget, loop, 5)

    budget.release(10)
    after_some = (list(large), list(small), budget.has_room(1))
    budget.release(70)

    assert after_some == ([], [], False)
    assert (large, small) == ([80], [5])
    assert budget.held == 95
    assert budget.has_room(5)
    assert not budget.has_room(6)


def test_a_message_larger_than_the_budget_goes_alone(loop: asyncio.AbstractEventLoop) -> None:
    """Or it would wait for ever."""
    budget = Budget(100, held=1)
    huge = waiting(budget, loop, 500)

    budget.release(1)

    assert huge == [500]
    assert Budget(100).has_room(500)


def test_who_was_cancelled_while_waiting_has_sent_nothing(loop: asyncio.AbstractEventLoop) -> None:
    """And its room goes to the next."""
    budget = Budget(100, held=100)
    first, second = waiting(budget, loop, 50), waiting(budget, loop, 50)
    budget.waiting[0][0].receipt.cancel()

    budget.release(50)

    assert (first, second) == ([], [50])
    assert budget.held == 100


def test_a_message_that_fails_at_its_place_makes_room_for_the_next(loop: asyncio.AbstractEventLoop) -> None:
    """However many fail one after the other."""
    budget = Budget(100, held=100)
    for _ in range(5_000):
        sending = Sending(b"", None, [], 0, None, 100, 9.0, loop.create_future())
        budget.waiting.append((sending, lambda each: budget.release(each.size)))
    last = waiting(budget, loop, 100)

    budget.release(100)

    assert last == [100]


def test_messages_that_get_no_room_are_given_up_at_their_deadline(loop: asyncio.AbstractEventLoop) -> None:
    """Every wait is bounded."""
    budget = Budget(100, held=100)
    waiting(budget, loop, 1, due=5.0)
    waiting(budget, loop, 1, due=6.0)
    receipts = [sending.receipt for sending, _ in budget.waiting]

    budget.expire(5.0, lambda: TimeoutError("no room"))
    expired = [each.done() for each in receipts]
    budget.clear(ConnectionError("closed"))

    assert expired == [True, False]
    assert isinstance(receipts[0].exception(), TimeoutError)
    assert isinstance(receipts[1].exception(), ConnectionError)
