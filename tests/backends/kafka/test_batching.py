"""The batches of a partition: what is in them, in which order they go, and what they are divided into."""

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from partita.backends.kafka.batching import Batch, Slot
from partita.backends.kafka.sendings import Sending, estimate, framed
from partita.core.ports import Receipt

LIMIT = 1_000_000
builder: Any = partial(BatchBuilder, LIMIT, 0)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that makes futures and never runs."""
    made = asyncio.new_event_loop()
    yield made
    made.close()


def batch(opened: float = 0.0) -> Batch:
    """An empty batch."""
    return Batch(builder(), opened)


def filled(loop: asyncio.AbstractEventLoop, *values: bytes | None, opened: float = 0.0) -> Batch:
    """A batch with messages whose keys are their numbers."""
    made = batch(opened)
    for number, value in enumerate(values):
        key, headers = b"%d" % number, [("n", b"%d" % number), ("n", b"")]
        size = max(estimate(key, value, headers), framed(key, value))
        made.add(Sending(value, key, headers, 1000 + number, None, size, 0.0, loop.create_future()))
    return made


def records(of: Batch) -> list[Any]:
    """What would be sent."""
    return list(of._sendings())


def test_a_batch_tells_each_caller_where_its_message_is(loop: asyncio.AbstractEventLoop) -> None:
    """Offsets follow the first; each has its own time unless the broker stamps them all."""
    own, stamped = filled(loop, b"a", b"b"), filled(loop, b"a", b"b")

    own.store("t", 3, base=70, stamp=-1)
    stamped.store("t", 3, base=70, stamp=5)

    assert [each.result() for each in own.receipts] == [
        Receipt("t", 3, 70, 1000), Receipt("t", 3, 71, 1001),
    ]  # fmt: skip
    assert [each.result().timestamp for each in stamped.receipts] == [5, 5]


def test_without_acknowledgements_the_offset_is_not_known(loop: asyncio.AbstractEventLoop) -> None:
    """acks=0 promises nothing, and nothing is made up."""
    made = filled(loop, b"a", b"b")

    made.store("t", 0, base=-1, stamp=-1)

    assert [each.result().offset for each in made.receipts] == [-1, -1]


def test_a_caller_that_has_gone_does_not_disturb_the_others(loop: asyncio.AbstractEventLoop) -> None:
    """Neither by the acknowledgement nor by a failure, and a flush learns of both."""
    stored, failed = filled(loop, b"a", b"b"), filled(loop, b"a", b"b")
    for made in (stored, failed):
        made.receipts[0].cancel()
        made.marks.append(loop.create_future())

    stored.store("t", 0, base=1, stamp=-1)
    failed.fail(KafkaError("no"))

    assert stored.receipts[1].result().offset == 2
    assert isinstance(failed.receipts[1].exception(), KafkaError)
    assert stored.marks[0].done()
    assert failed.marks[0].done()


def test_each_caller_gets_an_error_of_its_own(loop: asyncio.AbstractEventLoop) -> None:
    """The first the client's own object; a shared one would collect all their tracebacks."""
    made, error = filled(loop, b"a", b"b"), KafkaError("no")

    made.fail(error)

    first, second = [each.exception() for each in made.receipts]
    assert first is error
    assert second is not error
    assert type(second) is KafkaError


def test_a_batch_is_divided_without_a_change_of_its_messages(loop: asyncio.AbstractEventLoop) -> None:
    """Values, keys, headers, times, order and callers are those that were; a flush waits for the last."""
    made = filled(loop, b"a", None, b"", b"d", b"e")
    before, size, content = records(made), made.size, made.content
    made.marks.append(loop.create_future())

    parts = made.divide(2, builder)

    assert [len(part.receipts) for part in parts] == [3, 2]
    assert [receipt for part in parts for receipt in part.receipts] == made.receipts
    after = [each for part in parts for each in records(part)]
    for one, other in zip(before, after, strict=True):
        assert (one.value, one.key, one.headers) == (other.value, other.key, other.headers)
        assert one.timestamp == other.timestamp
    assert (size, content) == (sum(part.size for part in parts), sum(part.content for part in parts))
    assert [len(part.marks) for part in parts] == [0, 1]


def test_a_batch_knows_the_bytes_of_keys_and_values(loop: asyncio.AbstractEventLoop) -> None:
    """Headers and what the wire adds are not counted among them."""
    assert filled(loop, b"abc", None, b"").content == 3 + 3


def test_batches_go_in_the_order_in_which_they_were_opened(loop: asyncio.AbstractEventLoop) -> None:
    """Those that were put back first, the open one last."""
    slot, first, second, third = Slot(0), batch(), batch(), batch()
    slot.open = second
    slot.seal()
    slot.open = third
    slot.put_back([first])

    order = [slot.take(), slot.take(), slot.take(), slot.take()]

    assert order == [first, second, third, None]


def test_what_waited_too_long_is_taken_out(loop: asyncio.AbstractEventLoop) -> None:
    """And a batch that waits takes no more messages after a while, so that all of it falls due together."""
    slot, old, new = Slot(0), batch(opened=1.0), batch(opened=8.0)
    slot.put_back([old])
    slot.open = new

    late = slot.overdue(2.0)
    slot.seal_older(5.0)
    still_open = slot.open
    slot.seal_older(8.0)

    assert late == [old]
    assert still_open is new
    assert slot.open is None
    assert slot.waiting == [new]
