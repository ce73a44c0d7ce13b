"""The batches that the messages of a partition travel in."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import Any

import attrs
from aiokafka.errors import KafkaError
from aiokafka.record.memory_records import MemoryRecords

from partita.backends.kafka.producers import Running
from partita.backends.kafka.sendings import FRAME, Sending, estimate, framed
from partita.core.ports import Receipt

_memory_records: Callable[[bytes], Any] = MemoryRecords
_new_receipt = tuple.__new__


@attrs.define(eq=False)
class Batch:
    """
    Messages of one partition that are sent together, encoded as they came, and who waits for them.

    Args:
        builder: the client's open batch.
        opened: loop time in seconds at which the first message came.

    Attributes:
        append: encodes a message, given its place in the batch, time, key, value and headers.
        size: bytes of its messages, an upper bound.
        extra: how many of these are headers.
        receipts: what the callers wait for, in order.
        stored: what the builder said of each message; it knows the time.
        marks: done when each of its messages is acknowledged or has failed.
    """

    builder: Any
    opened: float
    append: Callable[..., Any] = attrs.field(
        init=False, default=attrs.Factory(lambda batch: batch.builder._builder.append, takes_self=True)
    )
    size: int = 0
    extra: int = 0
    receipts: list[asyncio.Future[Receipt]] = attrs.field(factory=list)
    stored: list[Any] = attrs.field(factory=list)
    marks: list[asyncio.Future[None]] = attrs.field(factory=list)

    def add(self, sending: Sending) -> None:
        """Encode a message. There must be room for it, or nothing in the batch yet."""
        place = len(self.receipts)
        made = self.append(place, sending.timestamp, sending.key, sending.value, sending.headers)
        self.stored.append(made)
        self.receipts.append(sending.receipt)
        self.size += sending.size
        self.extra += sending.size - framed(sending.key, sending.value)

    def close(self) -> None:
        """Nothing more comes; the client's object learns how much there is."""
        self.builder._relative_offset = len(self.receipts)
        self.builder.close()

    @property
    def content(self) -> int:
        """Bytes of keys and values."""
        return self.size - self.extra - FRAME * len(self.receipts)

    def store(self, topic: str, partition: int, base: int, stamp: int) -> None:
        """
        Tell the callers where their messages are.

        Args:
            base: the offset of the first; -1: without acknowledgements (acks=0) nobody knows.
            stamp: the broker's own time in milliseconds; -1: each has its own.
        """
        for index, (receipt, stored) in enumerate(zip(self.receipts, self.stored, strict=True)):
            if not receipt.done():
                offset = base + index if base >= 0 else -1
                at = stored.timestamp if stamp < 0 else stamp
                # By the constructor of tuples: that of named ones is a function in Python.
                receipt.set_result(_new_receipt(Receipt, (topic, partition, offset, at)))
        self._reach()

    def fail(self, error: BaseException) -> None:
        """Each caller gets the client's error; copies beyond the first, or tracebacks would pile up."""
        for index, receipt in enumerate(self.receipts):
            if not receipt.done():
                receipt.set_exception(copy(error) if index and isinstance(error, KafkaError) else error)
        self._reach()

    def _reach(self) -> None:
        for mark in self.marks:
            if not mark.done():
                mark.set_result(None)

    def divide(self, parts: int, make: Callable[[], Any]) -> Sequence["Batch"]:
        """
        The same messages in so many batches, to be sent again; this one is of no use any more.

        Args:
            make: makes a builder.
        """
        sendings = list(self._sendings())
        each = -(-len(sendings) // parts)
        batches = [Batch(make(), self.opened) for _ in range(0, len(sendings), each)]
        for index, sending in enumerate(sendings):
            batches[index // each].add(sending)
        batches[-1].marks = self.marks
        return batches

    def _sendings(self) -> Iterator[Sending]:
        """Its messages, read back from what was or would have been sent."""
        records = _memory_records(bytes(self.builder._build()))
        receipts = iter(self.receipts)
        while (batch := records.next_batch()) is not None:
            for record in batch:
                key, value, headers = record.key, record.value, list(record.headers)
                size = max(estimate(key, value, headers), framed(key, value))
                yield Sending(value, key, headers, record.timestamp, None, size, 0.0, next(receipts))


@attrs.define(eq=False)
class Flight:
    """
    A batch on its way.

    Args:
        batch: what was sent.
        by: the producer that sends it.
        since: loop time in seconds.

    Attributes:
        looked: whether its topic was looked up because it takes long.
        failing: whether its failure is being dealt with.
    """

    batch: Batch
    by: Running
    since: float
    looked: bool = False
    failing: bool = False


@attrs.define(eq=False)
class Slot:
    """
    One partition of a topic: the batches that wait, in order, and the one that is on its way.

    Attributes:
        open: takes messages; goes after those in the queue.
        queue: batches that take no more.
        flight: the batch on its way.
        busy: whether somebody sees to what waits.
    """

    number: int
    open: Batch | None = None
    queue: deque[Batch] = attrs.field(factory=deque)
    flight: Flight | None = None
    busy: bool = False

    @property
    def has_more(self) -> bool:
        """Whether something waits."""
        return self.open is not None or bool(self.queue)

    def seal(self) -> None:
        """What comes from here on goes into another batch."""
        if self.open is not None:
            self.queue.append(self.open)
            self.open = None

    def take(self) -> Batch | None:
        """The batch whose turn it is."""
        if self.queue:
            return self.queue.popleft()
        batch, self.open = self.open, None
        return batch

    def put_back(self, batches: Sequence[Batch]) -> None:
        """These go before all that wait."""
        self.queue.extendleft(reversed(batches))

    def clear(self) -> Sequence[Batch]:
        """Nothing waits any more; returns what did."""
        self.seal()
        batches = list(self.queue)
        self.queue.clear()
        return batches

    def overdue(self, before: float) -> Sequence[Batch]:
        """Takes out the batches that were opened *before* a time."""
        self.seal_older(before)
        batches = []
        while self.queue and self.queue[0].opened <= before:
            batches.append(self.queue.popleft())
        return batches

    def seal_older(self, before: float) -> None:
        """Seal the open batch if it was opened *before*, so that its messages fall due together."""
        if self.open is not None and self.open.opened <= before:
            self.seal()

    @property
    def waiting(self) -> Sequence[Batch]:
        """All that is not acknowledged, in order."""
        flight = [self.flight.batch] if self.flight is not None else []
        return [*flight, *self.queue, *([self.open] if self.open is not None else [])]
