"""One membership of a group in memory."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from itertools import islice

import attrs

from partita.backends.memory.broker import MemoryBroker
from partita.core.errors import Closed
from partita.core.ports import AssignmentListener, Commit, Fetch, Membership, TopicPartition
from partita.core.views import BrokerView

FETCH_BYTES = 1024 * 1024
FETCH_MESSAGES = 500


class MemorySubscription:
    """
    A member of a group.

    Args:
        broker: where the topics are; a topic of the membership comes into being with it.
        membership: what it reads.

    Attributes:
        generation: of the group, when it dealt out what this member has.
    """

    def __init__(self, broker: MemoryBroker, membership: Membership) -> None:
        self.membership = membership
        self.listener: AssignmentListener
        self._broker = broker
        self._group = broker.group(membership.group)
        self._positions: dict[TopicPartition, int] = {}
        self.generation = 0
        self._news = asyncio.Event()
        self._closed = False

    async def start(self, listener: AssignmentListener) -> None:
        """Join the group."""
        self.listener = listener
        for topic in sorted(self.membership.topics):
            self._broker.ensure(topic)
        self._group.join(self)

    @property
    def owned(self) -> Collection[TopicPartition]:
        """What it has."""
        return self._positions.keys()

    def give(self, partitions: Sequence[TopicPartition], generation: int) -> None:
        """These are ours from now on, read from what the group has committed."""
        self.generation = generation
        for partition in partitions:
            self._positions[partition] = self._beginning(partition)
            self._broker.watch(partition, self._news.set)
        self._news.set()

    def _beginning(self, partition: TopicPartition) -> int:
        committed = self._group.committed.get(partition)
        if committed is not None:
            return committed.offset
        # "latest" is decided once: a second assignment must not skip what came in between.
        latest = 0 if self.membership.start == "earliest" else len(self._broker.log(partition))
        return self._group.starts.setdefault(partition, latest)

    @property
    def partitions(self) -> Collection[TopicPartition]:
        """What it has."""
        return self._positions.keys()

    def take_back(self) -> Sequence[TopicPartition]:
        """Hand out nothing more."""
        had = list(self._positions)
        for partition in had:
            self._broker.unwatch(partition, self._news.set)
        self._positions.clear()
        return had

    async def poll(self, closed: Collection[TopicPartition], timeout: float) -> Sequence[Fetch]:
        """
        What has arrived, at most 500 messages or about 1 MB a partition; waits up to *timeout* seconds.

        Raises:
            Closed: the subscription was closed.
        """
        if self._closed:
            raise Closed("this subscription is closed")
        fetches = self._take(closed)
        if not fetches:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), timeout)
            except TimeoutError:
                return ()
            fetches = self._take(closed)
        return fetches

    def _take(self, closed: Collection[TopicPartition]) -> Sequence[Fetch]:
        fetches = []
        for partition, position in self._positions.items():
            log = self._broker.log(partition)
            if partition not in closed and position < len(log):
                fetches.append(_fetch(partition, log, position))
        for fetch in fetches:
            self._positions[fetch.partition] = fetch.end_offset
        return fetches

    async def commit(self, commits: Mapping[TopicPartition, Commit]) -> Mapping[TopicPartition, Exception]:
        """Store all or none; refused once the group has moved on."""
        if self._group.commit(self, self.generation, commits):
            return {}
        error = Closed(f"{self._group.name} has moved on to generation {self._group.generation}")
        return dict.fromkeys(commits, error)

    async def committed(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, Commit]:
        """What the group has stored."""
        stored = self._group.committed
        return {at: stored[at] for at in partitions if at in stored}

    async def begin(
        self, starts: Mapping[TopicPartition, Commit]
    ) -> Mapping[TopicPartition, int | Exception]:
        """Commit where the assignments start; the fence is the group's generation."""
        generation = self.generation
        refused = await self.commit(starts)
        return {at: refused.get(at, generation) for at in starts}

    def skip(self, partition: TopicPartition, offset: int) -> None:
        """Go on at *offset*."""
        if partition in self._positions:
            self._positions[partition] = max(offset, self._positions[partition])

    async def unread(self) -> Mapping[TopicPartition, int]:
        """Messages not handed out yet, when the group is stable."""
        await self._group.stable()
        return self._unread()

    def _unread(self) -> Mapping[TopicPartition, int]:
        return {
            partition: len(self._broker.log(partition)) - position
            for partition, position in self._positions.items()
        }

    async def view(self) -> BrokerView:
        """How the group sees this member."""
        return attrs.evolve(self._group.view(self), unread=self._unread())

    async def close(self) -> None:
        """Leave the group."""
        self._closed = True
        self._group.leave(self)
        self._news.set()


def _fetch(partition: TopicPartition, log: Sequence[object], position: int) -> Fetch:
    """The next messages of *log*: at least one, and none that would start above the byte limit."""
    records, size = [], 0
    for record in islice(log, position, position + FETCH_MESSAGES):
        records.append(record)
        size += getattr(record, "size", 0)
        if size >= FETCH_BYTES:
            break
    return Fetch(partition, records, position + len(records), size, position)
