"""What the tests of the NATS backend share: buses, members, and waiting for messages with a deadline."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from secrets import token_hex

import attrs

from partita.backends.nats import NatsBackend, open_backend
from partita.backends.nats.subscription import NatsSubscription
from partita.core.ports import Commit, Membership, Outgoing, TopicPartition

DEADLINE = 20.0


@attrs.define(eq=False)
class Member:
    """A member of a group that notes what it is told and what it is handed."""

    subscription: NatsSubscription
    told: list[tuple[str, TopicPartition]] = attrs.field(factory=list)
    owned: set[TopicPartition] = attrs.field(factory=set)
    records: list[object] = attrs.field(factory=list)
    offsets: dict[TopicPartition, list[int]] = attrs.field(factory=dict)
    values: list[bytes | None] = attrs.field(factory=list)
    next: dict[TopicPartition, int] = attrs.field(factory=dict)

    def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """Note it."""
        self.told += [("assigned", at) for at in partitions]
        self.owned |= set(partitions)

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """NATS takes nothing back in good order."""
        raise AssertionError(f"revoked: {partitions}")

    def lost(self, partitions: Collection[TopicPartition]) -> None:
        """Note it."""
        self.told += [("lost", at) for at in partitions]
        self.owned -= set(partitions)

    async def poll(self, closed: Collection[TopicPartition] = (), timeout: float = 0.05) -> int:
        """Take what has come; returns how many messages."""
        count, reader = 0, NatsBackend.reader
        for fetch in await self.subscription.poll(closed, timeout):
            assert fetch.partition in self.owned, "messages of a partition that was not assigned"
            assert fetch.partition not in closed
            for record in fetch.records:
                count += 1
                self.records.append(record)
                self.values.append(reader.value(record))
                self.offsets.setdefault(fetch.partition, []).append(reader.offset(record))
            self.next[fetch.partition] = fetch.end_offset
        return count

    async def read(self, count: int) -> None:
        """Read until there are *count* messages in all."""
        await until(lambda: len(self.values) >= count, self)

    async def store(self, offsets: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, Exception]:
        """Commit offsets without metadata; returns what was refused."""
        return await self.subscription.commit({at: Commit(offset) for at, offset in offsets.items()})

    async def commit(self) -> None:
        """Commit all that was read."""
        assert await self.store(self.next) == {}


async def until(reached: Callable[[], bool], *members: Member) -> None:
    """Let *members* read until *reached*."""
    async with asyncio.timeout(DEADLINE):
        while not reached():
            for member in members:
                await member.poll(timeout=0.02)


@asynccontextmanager
async def bus(address: str, options: Mapping[str, str] | None = None) -> AsyncIterator[NatsBackend]:
    """An open backend for HOST:PORT."""
    backend = open_backend(f"nats://{address}", options or {})
    await backend.open()
    try:
        yield backend
    finally:
        await backend.close()


@asynccontextmanager
async def topic_on(backend: NatsBackend, partitions: int = 1) -> AsyncIterator[str]:
    """A new topic, deleted afterwards."""
    topic = f"test.{token_hex(6)}"
    await backend.create_topic(topic, partitions=partitions, replication=1)
    try:
        yield topic
    finally:
        await backend.delete_topic(topic)


@asynccontextmanager
async def member(backend: NatsBackend, *topics: str, start: str = "earliest") -> AsyncIterator[Member]:
    """A member of the group `g`, closed afterwards."""
    joined = Member(backend.subscription(Membership("g", frozenset(topics), start=start)))
    await joined.subscription.start(joined)
    try:
        yield joined
    finally:
        await joined.subscription.close()


async def publish(backend: NatsBackend, topic: str, values: Sequence[bytes | None], **options: int) -> None:
    """Publish values in order."""
    for value in values:
        backend.publisher.send(topic, Outgoing(value, partition=options.get("partition")))
    await backend.publisher.flush()
