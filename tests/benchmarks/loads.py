"""Messages in memory, handlers for them, and the bare loops that dispatch is compared with."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

import attrs
from tests.benchmarks.measuring import Cost, Stopwatch

from partita.backends.memory.records import MemoryRecord
from partita.core.ports import Fetch, TopicPartition

TOPIC = "orders"
FETCH = 500  # messages that arrive together
PAYLOAD = bytes(1024)
Handler = Callable[[MemoryRecord], Awaitable[None]]


async def do_nothing(record: MemoryRecord) -> None:
    """A handler that does not suspend."""


async def suspend_once(record: MemoryRecord) -> None:
    """A handler that suspends once, for as short as it can."""
    await asyncio.sleep(0)


async def suspend_rarely(record: MemoryRecord) -> None:
    """A handler of which one call in ten suspends."""
    if record.offset % 10 == 0:
        await asyncio.sleep(0)


def record_at(partition: int, offset: int, key: bytes) -> MemoryRecord:
    """One message of 1 KB; all share their payload."""
    return MemoryRecord(TOPIC, partition, offset, 0, key, PAYLOAD, ())


def fetch_of(records: Sequence[MemoryRecord]) -> Fetch:
    """These messages of one partition, as they arrive."""
    last = records[-1]
    at = TopicPartition(TOPIC, last.partition)
    return Fetch(at, records, last.offset + 1, len(records) * len(PAYLOAD), records[0].offset)


@attrs.frozen
class Load:
    """
    Messages, spread evenly over partitions and keys.

    Args:
        messages: how many.
        partitions: over how many partitions.
        keys: over how many keys.
        first: the offset at which each partition begins.
    """

    messages: int
    partitions: int = 1
    keys: int = 1_000
    first: int = 0
    records: Sequence[Sequence[MemoryRecord]] = attrs.field(
        init=False, repr=False, default=attrs.Factory(lambda load: load.made(), takes_self=True)
    )

    def made(self) -> Sequence[Sequence[MemoryRecord]]:
        """The messages of each partition, made fetch by fetch, as a client does: together in memory."""
        keys = [b"%d" % number for number in range(self.keys)]
        each = self.messages // self.partitions
        made: list[list[MemoryRecord]] = [[] for _ in range(self.partitions)]
        for begin in range(0, each, FETCH):
            for partition, records in enumerate(made):
                for offset in range(begin, min(begin + FETCH, each)):
                    key = keys[(offset * self.partitions + partition) % self.keys]
                    records.append(record_at(partition, self.first + offset, key))
        return made

    def fetches(self) -> Iterator[Fetch]:
        """The messages as they arrive: the partitions in turn, some messages of each."""
        for begin in range(0, len(self.records[0]), FETCH):
            for records in self.records:
                if part := records[begin : begin + FETCH]:
                    yield fetch_of(part)


async def bare_loop(load: Load, handler: Handler) -> Cost:
    """One loop that awaits a handler for each message."""
    watch = Stopwatch()
    for records in load.records:
        for record in records:
            await handler(record)
    return watch.stop(load.messages)


async def bare_tasks(load: Load, handler: Handler, tasks: int) -> Cost:
    """That many tasks that take messages from one iterator."""
    waiting = (record for records in load.records for record in records)

    async def work() -> None:
        for record in waiting:
            await handler(record)

    watch = Stopwatch()
    await asyncio.gather(*(work() for _ in range(tasks)))
    return watch.stop(load.messages)
