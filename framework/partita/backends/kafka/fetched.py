"""
Takes what was fetched out of the client before records are made of it. The names of the client's fetcher
that are private are used here only (aiokafka 0.14); `check` looks for all of them.
"""

import asyncio
from collections.abc import Callable, Collection
from struct import Struct
from typing import Any

import attrs
from aiokafka import conn
from aiokafka.consumer import fetcher
from aiokafka.record.memory_records import MemoryRecords

from partita.core.ports import TopicPartition

# Base offset, length, leader epoch, format, checksum, attributes, last offset delta, first timestamp,
# latest timestamp, producer, its epoch, first sequence number, records.
HEADER = Struct(">qiiBIhiqqqhii")
READER_LIMIT = 1 << 20  # bytes that a connection reads ahead
LENGTH_STARTS, LENGTH_ENDS, FORMAT_AT = 8, 12, 16
_length = Struct(">i").unpack_from


# The first says in its stub that it is final, and is not; the second has no types.
_Records: Any = MemoryRecords
_Partition: Any = fetcher.PartitionRecords


class KeptRecords(_Records):  # type: ignore[misc]
    """The client's reader, which also keeps its bytes."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self.raw = raw


class KeptPartition(_Partition):  # type: ignore[misc]
    """
    The client's partition, which begins to read when it is asked to.

    The client begins at once, with a generator that holds its owner: who takes the bytes and never reads
    would leave them to the garbage collector, and a consumer would need three times the memory.
    """

    _records_iterator: Any

    def _unpack_records(self) -> Any:
        return None

    def __next__(self) -> Any:
        if self._records_iterator is None:
            self._records_iterator = super()._unpack_records()
        return super().__next__()


def install() -> None:
    """
    Have the client make these from now on; to it they are what they were.

    Its connections may also buffer a whole answer: with its own 64 KiB, reading from the socket is
    stopped and started again dozens of times for each (aiokafka 0.14), which takes a fifth of the speed.
    """
    made: Any = fetcher
    made.MemoryRecords, made.PartitionRecords = KeptRecords, KeptPartition
    conn.READER_LIMIT = max(conn.READER_LIMIT, READER_LIMIT)


@attrs.frozen(eq=False)
class Fetched:
    """
    The bytes that were fetched for one partition, unread.

    Args:
        partition: whose they are.
        raw: whole batches of the format v2, and maybe the beginning of another.
        start: the offset that was asked for; the first batch may begin below.
        aborted: producer and first offset of aborted transactions, in order of the offset.
        committed_only: whether what those wrote is left out.
        checked: whether checksums are compared.
        consumed: tells the client where it is to go on, which is to be said at once.
    """

    partition: TopicPartition
    raw: bytes
    start: int
    aborted: list[tuple[int, int]]
    committed_only: bool
    checked: bool
    consumed: Callable[[int], None]


@attrs.frozen(eq=False)
class Old:
    """What was fetched for one partition in a format before v2: the client reads it, and may fail to."""

    partition: TopicPartition
    start: int
    read: Callable[[], list[Any]]


class Fetches:
    """
    What the client has fetched and nobody has taken.

    Args:
        consumer: the client, which has been started.
    """

    def __init__(self, consumer: Any) -> None:
        self._fetcher, self._subscription = consumer._fetcher, consumer._subscription

    def take(self, wanted: Collection[Any]) -> list[Fetched | Old]:
        """
        What is there of *wanted* partitions. Never waits.

        Raises:
            Exception: what the client would have raised, when nothing else is there.
        """
        waiting, taken = self._fetcher._records, list[Fetched | Old]()
        if self._subscription.reassignment_in_progress:
            return taken
        for at in [each for each in waiting if each in wanted]:
            found: Any = waiting[at]
            if type(found) is fetcher.FetchError and taken:
                break  # it is raised the next time
            del waiting[at]
            if type(found) is fetcher.FetchError:
                self._go_on()
                _raise(found)
            result: Any = found
            kept = result._partition_records
            if result.check_assignment(at):
                taken.append(_taken(at, result, kept))
        if taken:
            self._go_on()
        return taken

    def _go_on(self) -> None:
        """The client asks a broker for more when all that came from it was taken."""
        self._fetcher._notify(self._fetcher._wait_consume_future)

    async def arrival(self, seconds: float) -> None:
        """Wait until something more has arrived. Raises what the client would have raised."""
        waiter = self._fetcher._create_fetch_waiter()
        await asyncio.wait([waiter], timeout=seconds)
        if waiter.done():
            waiter.result()
        else:
            waiter.cancel()


def _raise(found: Any) -> None:
    found.check_raise()


def _taken(at: Any, found: Any, kept: Any) -> Fetched | Old:
    raw, start = kept._records.raw, kept.next_fetch_offset
    if _is_old(raw):
        return Old(TopicPartition(*at), start, found.getall)
    consumed = found._assignment.state_value(at).consumed_to
    aborted, committed_only = kept._aborted_transactions, kept._isolation_level == fetcher.READ_COMMITTED
    return Fetched(TopicPartition(*at), raw, start, aborted, committed_only, kept._check_crcs, consumed)


def _is_old(raw: bytes) -> bool:
    """Whether there is a batch of a format before v2 in it, whole or not."""
    position, last = 0, len(raw) - FORMAT_AT
    while position < last:
        length = _length(raw, position + LENGTH_STARTS)[0]
        if raw[position + FORMAT_AT] < 2 or length < 0:
            return raw[position + FORMAT_AT] < 2
        position += LENGTH_ENDS + length
    return False
