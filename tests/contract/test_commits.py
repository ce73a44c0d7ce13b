"""What is stored with a commit: it comes back to the next member, and what it says is finished stays so."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from importlib import import_module

import attrs
import pytest
from tests.contract.world import DEADLINE, Inbox, World

from partita import EventBus, Retry
from partita.core.finished import Finished
from partita.core.offset_map import LONGEST, OffsetMap
from partita.core.ports import Backend, Commit, Membership, Subscription, TopicPartition
from partita.opening import SCHEMES, split_address

FOREIGN = ("", "notes of another tool", "P1", "P1AAAA", "{" * LONGEST, "\u20ac\n\t")


@attrs.define(eq=False)
class Member:
    """A member of a group that notes where the messages of its partitions are."""

    backend: Backend
    subscription: Subscription
    offsets: list[int] = attrs.field(factory=list)

    def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """Nothing to prepare."""

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Nothing to drain."""

    def lost(self, partitions: Collection[TopicPartition]) -> None:
        """Nothing to stop."""

    async def read(self, count: int) -> Sequence[int]:
        """The offsets of the first *count* messages."""
        async with asyncio.timeout(DEADLINE):
            while len(self.offsets) < count:
                for fetch in await self.subscription.poll((), 0.05):
                    self.offsets += map(self.backend.reader.offset, fetch.records)
        return self.offsets

    async def commit(self, at: TopicPartition, commit: Commit) -> None:
        """Commit, which must be taken."""
        assert await self.subscription.commit({at: commit}) == {}


@asynccontextmanager
async def member(world: World, group: str, topic: str) -> AsyncIterator[Member]:
    """A member without a handler."""
    address, options = split_address(world.url)
    backend: Backend = import_module(SCHEMES[world.name]).open_backend(address, options)
    await backend.open()
    subscription = backend.subscription(Membership(group, frozenset({topic})))
    joined = Member(backend, subscription)
    await subscription.start(joined)
    yield joined
    await subscription.close()
    await backend.close()


async def fill(bus: EventBus, topic: str, count: int) -> list[bytes]:
    """Publish this many messages to the topic's one partition; returns their values in order."""
    values = [b"%d" % number for number in range(count)]
    await bus.publish_batch(topic, values)
    return values


def fresh_group() -> str:
    """A group that nobody else has."""
    return f"group.{uuid.uuid4().hex[:10]}"


def test_metadata_comes_back_to_the_next_member_with_its_offset(world: World) -> None:
    """Also the longest, and when only the metadata has changed; a group that never committed has none."""

    async def scenario() -> None:
        async with world.topic(partitions=1) as (bus, topic):
            at, group = TopicPartition(topic, 0), fresh_group()
            await fill(bus, topic, 10)
            async with member(world, group, topic) as first:
                offsets = await first.read(10)
                assert await first.subscription.committed([at]) == {}
                for metadata in ("one", "two", "", "x" * LONGEST):
                    await first.commit(at, Commit(offsets[4], metadata))

            async with member(world, group, topic) as second:
                await second.read(6)
                stored = await second.subscription.committed([at])
                await second.commit(at, Commit(offsets[5]))
                after = await second.subscription.committed([at])

            assert stored == {at: Commit(offsets[4], "x" * LONGEST)}
            assert second.offsets == offsets[4:]
            assert after == {at: Commit(offsets[5])}

    asyncio.run(scenario())


def test_metadata_is_stored_while_the_first_message_is_unfinished(world: World) -> None:
    """Nothing was ever finished in order, and what finished out of order is known all the same."""

    async def scenario() -> None:
        async with world.topic(partitions=1) as (bus, topic):
            at, group = TopicPartition(topic, 0), fresh_group()
            await fill(bus, topic, 3)
            async with member(world, group, topic) as first:
                offsets = await first.read(3)
                await first.commit(at, Commit(offsets[0], "map"))

            async with member(world, group, topic) as second:
                await second.read(3)
                assert await second.subscription.committed([at]) == {at: Commit(offsets[0], "map")}

    asyncio.run(scenario())


def test_what_the_map_mentions_is_not_handed_to_any_later_member(world: World) -> None:
    """Not to the next one, where the first unfinished message still fails, and not to the one after."""
    group = fresh_group()

    async def scenario() -> None:
        async with world.topic(partitions=1) as (bus, topic):
            values = await fill(bus, topic, 12)
            async with member(world, group, topic) as first:
                offsets = await first.read(12)
                finished = Finished.of([offsets[3], offsets[4], offsets[9]])
                text = OffsetMap(finished).encode(offsets[2])
                await first.commit(TopicPartition(topic, 0), Commit(offsets[2], text))

            parked, inbox = Inbox(), Inbox()

            async def fail(value: bytes) -> None:
                parked.add(value)
                raise RuntimeError("not yet")

            async def handle(value: bytes) -> None:
                inbox.add(value)

            failing = await bus.subscribe(topic, fail, group=group, retry=Retry(attempts=1))
            await parked.total(1)
            await failing.drain()
            later = await bus.subscribe(topic, handle, group=group)
            await inbox.holds({values[-1]})
            await later.drain()

            assert parked.values == [values[2]]
            assert inbox.values == [values[each] for each in (2, 5, 6, 7, 8, 10, 11)]

    asyncio.run(scenario())


@pytest.mark.parametrize("metadata", FOREIGN)
def test_foreign_metadata_changes_nothing(world: World, inbox: Inbox, metadata: str) -> None:
    """The commit counts, everything after it is handled, and the next commit writes over the text."""

    async def scenario() -> None:
        async with world.topic(partitions=1) as (bus, topic):
            at, group = TopicPartition(topic, 0), fresh_group()
            values = await fill(bus, topic, 6)
            async with member(world, group, topic) as first:
                offsets = await first.read(6)
                await first.commit(at, Commit(offsets[2], metadata))

            async def handle(value: bytes) -> None:
                inbox.add(value)

            subscription = await bus.subscribe(topic, handle, group=group)
            await inbox.holds({values[-1]})
            await subscription.drain()

            assert inbox.values == values[2:]
            async with member(world, group, topic) as last:
                stored = await last.subscription.committed([at])
            assert stored == {at: Commit(offsets[-1] + 1)}

    asyncio.run(scenario())
