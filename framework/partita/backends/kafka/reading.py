"""
How a member reads: bytes that are unpacked when their messages are handled, or the client's own records.

The second way needs no private name of the client's fetcher. What cannot be decoded there has no place of its
own: its partition waits at that offset, and the others go on.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Protocol

from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import (
    ConsumerStoppedError,
    CorruptRecordException,
    KafkaError,
    UnsupportedCodecError,
)

from partita.backends.kafka.decompression import INSTALL
from partita.backends.kafka.fetched import Fetched, Fetches, Old
from partita.backends.kafka.laziness import is_possible
from partita.backends.kafka.records import Damaged
from partita.backends.kafka.settings import KafkaSetup
from partita.backends.kafka.unpacking import Unpacker
from partita.core.errors import DecodeError
from partita.core.ports import Fetch, Flaw, TopicPartition

# Asking for this keeps the client's poll clock going while nothing is wanted; asking for no partition
# would hand out all there is.
NOBODY = KafkaPartition("-", -1)
_KNOWN = (CorruptRecordException, UnsupportedCodecError)


class Reading(Protocol):
    """Reads the partitions of one member; only its owner calls it, and never cancels it."""

    async def fetch(self, wanted: Collection[KafkaPartition], seconds: float) -> Sequence[Fetch]:
        """What is there of *wanted* partitions; waits up to *seconds* for it. Raises the client's error."""
        ...

    def reassigned(self) -> None:
        """The partitions are others, or are read from another offset: nothing is known of them."""
        ...


def reading_of(consumer: Any, settings: KafkaSetup) -> Reading:
    """The lazy way, unless the settings or the installed client say no."""
    if settings.lazy and is_possible():
        return LazyReading(consumer, Unpacker(settings.unpack_limits))
    return PlainReading(consumer)


class Waiting:
    """
    The partitions that cannot be read on, each at an offset that the client cannot decode.

    Args:
        consumer: the client.
    """

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self.partitions: dict[KafkaPartition, Damaged] = {}

    def park(self, at: KafkaPartition, offset: int, error: Exception) -> Fetch:
        """What stands for what cannot be decoded; until it is passed its partition is not asked for."""
        name = TopicPartition(*at)
        said = f"offset {offset} cannot be decoded: {error or type(error).__name__}"
        if isinstance(error, UnsupportedCodecError):
            said += f" ({INSTALL})"
        damaged = Damaged(*name, offset, -1, Flaw(DecodeError(said), offset))
        self.partitions[at] = damaged
        return Fetch(name, self._once(at, damaged), offset + 1, 0, offset)

    def _once(self, at: KafkaPartition, damaged: Damaged) -> Iterator[object]:
        yield damaged
        # It is read on only when somebody has given that message up.
        if self.partitions.get(at) is damaged:
            del self.partitions[at]
            self._consumer.seek(at, damaged.offset + 1)


class LazyReading:
    """
    Takes what the client has fetched as it is.

    Args:
        consumer: the client, which has been started.
        unpacker: makes records of it.
    """

    def __init__(self, consumer: Any, unpacker: Unpacker) -> None:
        self._consumer, self._unpacker = consumer, unpacker
        self._fetches, self._waiting = Fetches(consumer), Waiting(consumer)

    def reassigned(self) -> None:
        """See `Reading.reassigned`."""
        self._waiting.partitions.clear()

    async def fetch(self, wanted: Collection[KafkaPartition], seconds: float) -> Sequence[Fetch]:
        """See `Reading.fetch`."""
        # The client's poll clock goes on, and errors of the group are raised.
        await self._consumer.getmany(NOBODY, timeout_ms=0)
        wanted = set(wanted) - self._waiting.partitions.keys()
        taken = self._fetches.take(wanted)
        if not taken and seconds > 0:
            await self._fetches.arrival(seconds)
            taken = self._fetches.take(wanted)
        return [self._made(each) for each in taken]

    def _made(self, taken: Fetched | Old) -> Fetch:
        if isinstance(taken, Old):
            return self._old(taken)
        end, size = self._unpacker.extent(taken)
        taken.consumed(end)
        return Fetch(taken.partition, self._unpacker.records(taken), end, size, taken.start)

    def _old(self, taken: Old) -> Fetch:
        at = KafkaPartition(*taken.partition)
        try:
            records = taken.read()
        except Exception as error:  # noqa: BLE001 - a decoder may raise anything, and it becomes an outcome
            return self._waiting.park(at, taken.start, error)
        end = records[-1].offset + 1 if records else taken.start
        return Fetch(taken.partition, records, end, size_of(records), taken.start)


class PlainReading:
    """
    Asks the client for its records.

    Args:
        consumer: the client, which has been started.
    """

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._waiting = Waiting(consumer)
        self._careful: set[KafkaPartition] = set()
        self._ends: dict[KafkaPartition, int] = {}

    def reassigned(self) -> None:
        """See `Reading.reassigned`."""
        self._waiting.partitions.clear()
        self._careful.clear()
        self._ends.clear()

    async def fetch(self, wanted: Collection[KafkaPartition], seconds: float) -> Sequence[Fetch]:
        """See `Reading.fetch`."""
        wanted = set(wanted) - self._waiting.partitions.keys()
        plain = wanted - self._careful
        parked = [fetch for at in wanted & self._careful for fetch in await self._one_by_one(at)]
        if parked:
            return parked
        for at in plain - self._ends.keys():
            if (begin := _position(self._consumer, at)) is not None:
                self._ends[at] = begin
        try:
            found = await self._consumer.getmany(*(plain or (NOBODY,)), timeout_ms=int(seconds * 1000))
        except Exception as error:
            if not is_undecodable(error):
                raise
            return await self._each(plain)
        # Nothing below waits, so that records and positions belong together.
        return [*(self._made(at, records) for at, records in found.items()), *self._passed(plain - {*found})]

    async def _each(self, wanted: Collection[KafkaPartition]) -> Sequence[Fetch]:
        """The client does not tell which partition it was."""
        fetches = []
        for at in wanted:
            try:
                found = await self._consumer.getmany(at, timeout_ms=0)
            except Exception as error:
                if not is_undecodable(error):
                    raise
                self._careful.add(at)
            else:
                fetches += [self._made(at, records) for records in found.values()]
        if not fetches:
            # What has failed was thrown away by the client, and is fetched once more.
            self._careful |= set(wanted)
        return fetches

    async def _one_by_one(self, at: KafkaPartition) -> Sequence[Fetch]:
        """What comes before the record that cannot be decoded, and the message that stands for it."""
        records: list[Any] = []
        while True:
            try:
                found = await self._consumer.getmany(at, timeout_ms=0, max_records=1)
            except Exception as error:
                if not is_undecodable(error):
                    raise
                offset = _position(self._consumer, at)
                before = [self._made(at, records)] if records else []
                return [*before, self._waiting.park(at, offset or 0, error)]
            if not found:
                if records:
                    self._careful.discard(at)
                return [self._made(at, records)] if records else []
            records += found[at]

    def _made(self, at: KafkaPartition, records: Sequence[Any]) -> Fetch:
        name = TopicPartition(*at)
        end = _position(self._consumer, at) or records[-1].offset + 1
        self._ends[at] = end
        return Fetch(name, records, end, size_of(records), records[0].offset)

    def _passed(self, silent: Collection[KafkaPartition]) -> Iterator[Fetch]:
        """What holds no message for anybody: markers of transactions, and what was aborted."""
        for at in silent:
            before, now = self._ends.get(at), _position(self._consumer, at)
            if before is not None and now is not None and now > before:
                self._ends[at] = now
                yield Fetch(TopicPartition(*at), (), now, 0, before)


def _position(consumer: Any, at: KafkaPartition) -> int | None:
    """Where the client reads on; None while it does not know. Its own call would wait."""
    subscription = consumer._subscription.subscription
    assignment = subscription and subscription.assignment
    if not assignment or at not in assignment.tps:
        return None
    state = assignment.state_value(at)
    return state.position if state.has_valid_position else None


def is_undecodable(error: Exception) -> bool:
    """Whether the client has failed to decode: only its decoders raise what is no error of Kafka's."""
    return isinstance(error, _KNOWN) or not isinstance(error, KafkaError | ConsumerStoppedError)


def size_of(records: Sequence[Any]) -> int:
    """Bytes of keys and values of the client's records, which say -1 for a null one."""
    return sum(
        max(record.serialized_key_size, 0) + max(record.serialized_value_size, 0) for record in records
    )
