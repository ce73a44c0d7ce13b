"""Topics and groups are described, and groups moved, with the same meaning on every backend."""

import asyncio
import time
from datetime import UTC, datetime

import pytest
from tests.contract.test_universal import group
from tests.contract.world import Inbox, World

from partita import EventBus, SettingsError, TopicMissing


async def consumed(bus: EventBus, topic: str, name: str, inbox: Inbox, count: int) -> None:
    """Let a group read *count* messages of a topic, and leave."""

    async def handle(value: bytes) -> None:
        inbox.add(value)

    subscription = await bus.subscribe(topic, handle, group=name)
    await inbox.total(count)
    await subscription.drain()


def test_several_topics_are_made_and_deleted_with_a_result_for_each(world: World) -> None:
    """One that exists already, or is missing, does not keep the others from it."""

    async def scenario() -> None:
        async with world.topic() as (bus, topic):
            others = [f"{topic}.a", f"{topic}.b"]
            made = await bus.create_topics([*others, topic], partitions=2)
            listed = await bus.list_topics()
            deleted = await bus.delete_topics([*others, f"{topic}.missing"])

            assert [made[each] for each in others] == [None, None]
            assert type(made[topic]) is type(await failure(bus, topic))
            assert [listed[each] for each in others] == [2, 2]
            assert [deleted[each] for each in others] == [None, None]
            assert isinstance(deleted[f"{topic}.missing"], TopicMissing)

    async def failure(bus: EventBus, topic: str) -> Exception:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the client's own, whatever it is
            await bus.create_topic(topic)
        return caught.value

    asyncio.run(scenario())


def test_a_topic_is_described_by_partition(world: World) -> None:
    """With offsets that say how far each reaches, and a leader where there are servers."""

    async def scenario() -> None:
        async with world.topic(partitions=2) as (bus, topic):
            receipts = [await bus.publish(topic, b"1", partition=1) for _ in range(3)]
            described = await bus.describe_topic(topic)
            empty, full = described.partitions

            assert described.topic == topic
            assert (empty.partition, full.partition) == (0, 1)
            assert empty.latest == empty.earliest or world.name == "nats"
            assert full.earliest == receipts[0].offset
            assert full.latest == receipts[-1].offset + 1
            assert world.name != "kafka" or full.leader in full.in_sync == full.replicas
            with pytest.raises(TopicMissing):
                await bus.describe_topic(f"{topic}.missing")

    asyncio.run(scenario())


def test_partitions_are_added_and_a_group_reads_them_from_then_on(world: World, inbox: Inbox) -> None:
    """The number is that of all; as many or fewer are refused."""

    async def scenario() -> None:
        async with world.topic(partitions=2) as (bus, topic):
            await bus.add_partitions(topic, 3)
            await bus.publish(topic, b"new", partition=2)
            await consumed(bus, topic, group(), inbox, 1)

            assert (await bus.list_topics())[topic] == 3
            for number in (2, 3):
                with pytest.raises(SettingsError, match="has 3 partitions"):
                    await bus.add_partitions(topic, number)
            with pytest.raises(TopicMissing):
                await bus.add_partitions(f"{topic}.missing", 3)

    asyncio.run(scenario())


def test_a_group_is_listed_and_described_while_it_runs_and_afterwards(world: World, inbox: Inbox) -> None:
    """Members with their partitions where the broker knows them; what is stored, and what waits."""

    async def scenario() -> None:
        async def handle(value: bytes) -> None:
            inbox.add(value)

        async with world.topic(partitions=2) as (bus, topic):
            name = group()
            for number in range(4):
                await bus.publish(topic, b"x", partition=number % 2)
            subscription = await bus.subscribe(topic, handle, group=name)
            await inbox.total(4)
            live = await bus.describe_group(name)
            listed = await bus.list_groups()
            await subscription.drain()
            await bus.publish(topic, b"y", partition=0)
            after = await bus.describe_group(name)

            assert live.is_live
            assert not after.is_live
            assert name in listed
            assert {"live": "live", "stable": "stable"}[listed[name]] == live.state
            if live.members is not None:
                (member,) = live.members
                assert [str(at) for at in member.partitions] == [f"{topic}/0", f"{topic}/1"]
            assert [(each.partition, each.lag) for each in after.partitions] == [(0, 1), (1, 0)]
            offsets = {(each.topic, each.partition): each.committed for each in after.partitions}
            assert await bus.group_offsets(name) == offsets
            nobody = await bus.describe_group(group())
            assert (nobody.state, nobody.partitions) == ("dead", [])

    asyncio.run(scenario())


def test_a_group_that_was_moved_to_the_beginning_reads_all_again(world: World, inbox: Inbox) -> None:
    """And nothing is changed by a dry run, nor moved while it is live."""

    async def scenario() -> None:
        async with world.topic(partitions=2) as (bus, topic):
            name = group()
            for number in range(4):
                await bus.publish(topic, b"%d" % number, partition=number % 2)
            await consumed(bus, topic, name, inbox, 4)
            before = await bus.group_offsets(name)
            tried = await bus.reset_offsets(name, to="earliest", dry_run=True)
            unchanged = await bus.group_offsets(name)
            moved = await bus.reset_offsets(name, to="earliest")
            await consumed(bus, topic, name, inbox, 8)

            assert unchanged == before
            assert tried == moved
            assert [each.before for each in moved] == list(before.values())
            assert [each.error for each in moved] == [None, None]
            assert sorted(value or b"" for value in inbox.values) == sorted([b"0", b"1", b"2", b"3"] * 2)
            assert await bus.group_offsets(name) == before

    asyncio.run(scenario())


def test_a_group_that_is_live_is_not_moved(world: World, inbox: Inbox) -> None:
    """What its members commit next would undo it; the reason is told."""

    async def scenario() -> None:
        async def handle(value: bytes) -> None:
            inbox.add(value)

        async with world.topic(partitions=1) as (bus, topic):
            name = group()
            await bus.publish(topic, b"x")
            subscription = await bus.subscribe(topic, handle, group=name)
            await inbox.total(1)
            with pytest.raises(SettingsError, match="is live"):
                await bus.reset_offsets(name, to="earliest")
            await subscription.drain()

            assert len(await bus.reset_offsets(name, to="earliest")) == 1

    asyncio.run(scenario())


def test_a_group_moved_to_a_time_begins_with_the_first_message_from_then_on(
    world: World, inbox: Inbox
) -> None:
    """Also one that has never been; behind the last message where none is so late."""

    async def scenario() -> None:
        async with world.topic(partitions=1) as (bus, topic):
            name = group()
            await bus.publish(topic, b"old")
            await asyncio.sleep(0.02)
            then = time.time()
            await asyncio.sleep(0.02)
            await bus.publish(topic, b"new")
            (late,) = await bus.reset_offsets(name, [topic], to=int(time.time() * 1000) + 60_000)
            (moved,) = await bus.reset_offsets(name, [topic], to=datetime.fromtimestamp(then, UTC))
            await consumed(bus, topic, name, inbox, 1)

            assert late.before is None
            assert late.after == (await bus.describe_topic(topic)).partitions[0].latest
            assert None not in {late.after, moved.after}
            assert moved.after != late.after
            assert inbox.values == [b"new"]

    asyncio.run(scenario())


def test_a_group_is_moved_by_a_number_of_messages_where_offsets_count_them(
    world: World, inbox: Inbox
) -> None:
    """Not beyond what is there; on NATS partitions share their offsets, so it is refused and says why."""

    async def scenario() -> None:
        async with world.topic(partitions=1) as (bus, topic):
            name = group()
            for number in range(5):
                await bus.publish(topic, b"%d" % number)
            await consumed(bus, topic, name, inbox, 5)
            if world.name == "nats":
                with pytest.raises(SettingsError, match="share their offsets"):
                    await bus.reset_offsets(name, shift=-2)
                return
            (back,) = await bus.reset_offsets(name, shift=-2)
            (far,) = await bus.reset_offsets(name, shift=-100)
            (ahead,) = await bus.reset_offsets(name, shift=3)
            await consumed(bus, topic, name, inbox, 7)

            assert (back.before, back.after) == (5, 3)
            assert (far.after, ahead.after) == (0, 3)
            assert inbox.values[5:] == [b"3", b"4"]

    asyncio.run(scenario())


def test_a_group_that_nobody_knows_is_moved_only_with_its_topics_named(world: World) -> None:
    """Nothing else says which they are."""

    async def scenario() -> None:
        async with world.topic() as (bus, topic):
            with pytest.raises(SettingsError, match="name its topics"):
                await bus.reset_offsets(group(), to="latest")
            moved = await bus.reset_offsets(group(), [topic], to="latest")

            assert len(moved) == 4

    asyncio.run(scenario())


def test_settings_of_a_topic_are_the_brokers_own(world: World) -> None:
    """Given when it is made, told when it is described; memory has none and says so."""
    name, value = {"kafka": ("retention.ms", "86400000"), "nats": ("max_age", "86400000000000")}.get(
        world.name, ("retention.ms", "1")
    )

    async def scenario() -> None:
        async with world.topic() as (bus, topic):
            made = f"{topic}.configured"
            if world.name == "memory":
                with pytest.raises(SettingsError, match="memory:// keeps all messages"):
                    await bus.create_topic(made, configs={name: value})
                return
            await bus.create_topic(made, configs={name: value})
            described = await bus.describe_topic(made)
            plain = await bus.describe_topic(topic)
            await bus.delete_topic(made)

            assert described.configs == {name: value}
            assert plain.configs == {}

    asyncio.run(scenario())


def test_a_group_is_deleted_when_it_is_not_live(world: World, inbox: Inbox) -> None:
    """Then it begins as one that has never been; deleting it twice is deleting it once."""

    async def scenario() -> None:
        async def handle(value: bytes) -> None:
            inbox.add(value)

        async with world.topic(partitions=1) as (bus, topic):
            name = group()
            await bus.publish(topic, b"x")
            subscription = await bus.subscribe(topic, handle, group=name)
            await inbox.total(1)
            with pytest.raises(SettingsError, match="is live"):
                await bus.delete_group(name)
            await subscription.drain()
            await bus.delete_group(name)
            await bus.delete_group(name)

            assert name not in await bus.list_groups()
            assert await bus.group_offsets(name) == {}
            await consumed(bus, topic, name, inbox, 2)

    asyncio.run(scenario())
