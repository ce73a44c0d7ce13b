"""Batch: what a batch handler sees, and how batch handlers are declared."""

import re

import pytest

from partita import Batch, Context, Message, RouteError, Router
from partita.backends.memory.records import MemoryReader, MemoryRecord

RECORDS = [MemoryRecord("events", 2, offset, 0, None, b"%d" % offset, ()) for offset in (7, 9)]


def batch_of(failures: dict[int, BaseException] | None = None) -> Batch:
    """Two messages."""
    return Batch(RECORDS, MemoryReader(), {} if failures is None else failures)


async def store(batch: Batch) -> None:
    """A batch handler."""


async def store_one(value: bytes) -> None:
    """A handler of single messages."""


def test_a_batch_is_a_sequence_of_messages_of_one_partition() -> None:
    """The same names as on a single message, and nothing copied."""
    batch = batch_of()

    assert (batch.topic, batch.partition, len(batch)) == ("events", 2, 2)
    assert [each.offset for each in batch] == [7, 9]
    assert batch[1].raw is RECORDS[1]
    assert [each.value for each in batch[:1]] == [b"7"]
    assert batch.values == [b"7", b"9"]
    assert repr(batch) == "<Batch events/2: 2 messages>"


def test_a_failed_message_is_named_by_its_place() -> None:
    """The error is kept as it is."""
    failures, error = dict[int, BaseException](), ValueError("no")

    batch_of(failures).fail(1, error)

    assert failures == {1: error}


@pytest.mark.parametrize("index", [-1, 2])
def test_refuses_to_fail_a_message_that_is_not_there(index: int) -> None:
    """A wrong place would fail another message, or none."""
    with pytest.raises(IndexError, match="messages 0 to 1"):
        batch_of().fail(index, ValueError("no"))


def test_refuses_to_fail_a_message_with_no_exception() -> None:
    """Retries choose by the error's class."""
    with pytest.raises(TypeError, match="give an exception, not str"):
        batch_of().fail(0, "no")  # type: ignore[arg-type] # as a user may write it


@pytest.mark.parametrize(
    ("size", "within", "said"),
    [(0, 1.0, "size=0"), (1, -1.0, r"within=-1\.0"), (1, float("inf"), "within=inf")],
)
def test_refuses_limits_with_function_file_and_line(size: int, within: float, said: str) -> None:
    """Who wrote it finds it."""
    with pytest.raises(RouteError, match=rf"store \({re.escape(__file__)}:\d+\): {said}"):
        Router().batch_handler("events", size=size, within=within)(store)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kind": "refund"}, "kind="),
        ({"rate": 5.0}, "rate="),
        ({"to": "bills"}, "to="),
        ({"isolate_context": True}, "isolate_context="),
        ({"run": "process"}, "run='process'"),
        ({"concurrency": 0}, "concurrency=0"),
    ],
)
def test_refuses_options_that_a_batch_cannot_keep(options: dict[str, object], said: str) -> None:
    """An option that would be passed over in silence is an error."""
    with pytest.raises(RouteError, match=said):
        Router().batch_handler("events", size=2, within=1.0, **options)(store)  # type: ignore[arg-type]


def test_refuses_a_batch_handler_that_takes_no_batch() -> None:
    """And says what it takes."""

    async def with_message(batch: Batch, message: Message) -> None: ...

    for function in (store_one, with_message):
        with pytest.raises(RouteError, match="takes one Batch, and a Context"):
            Router().batch_handler("events", size=2, within=1.0)(function)


def test_refuses_a_batch_where_single_messages_are_handled() -> None:
    """The decorator decides how a function is called."""
    with pytest.raises(RouteError, match="batch_handler"):
        Router().handler("events")(store)


def test_refuses_another_handler_beside_a_batch_handler() -> None:
    """Messages of one partition would overtake each other."""
    router = Router()
    router.batch_handler("events", size=2, within=1.0)(store)

    with pytest.raises(RouteError, match="takes every kind"):
        router.handler("events", kind="refund")(store_one)


def test_the_decorator_returns_the_function_itself() -> None:
    """It stays callable, with its exact type."""

    async def both(context: Context, *, batch: Batch) -> None: ...

    assert Router().batch_handler("events", size=2, within=1.0)(both) is both
