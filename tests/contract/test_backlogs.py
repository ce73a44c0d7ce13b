"""What waits for a group is told the same on every backend, from any process, whoever reads it or nobody."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from tests.contract.world import DEADLINE, Inbox, World

from partita import Backlog, EventBus, Router, SettingsError, TopicMissing, open_bus

HOUR = 3600.0


def fresh_group() -> str:
    """A group that nobody else has."""
    return f"group.{uuid.uuid4().hex[:10]}"


@asynccontextmanager
async def elsewhere(world: World) -> AsyncIterator[EventBus]:
    """A bus as another process has it."""
    async with open_bus(world.url) as bus:
        yield bus


async def until(bus: EventBus, group: str, topic: str, enough: Callable[[Backlog], bool]) -> Backlog:
    """The backlog once it is as it should be; fails after a minute."""
    async with asyncio.timeout(DEADLINE):
        while not enough(found := await bus.check_backlog(group, topics=[topic])):
            await asyncio.sleep(0.05)
    return found


def lags(backlog: Backlog) -> list[int]:
    """Messages that wait, by partition."""
    return [each.lag for each in backlog.partitions]


async def handle_all(bus: EventBus, topic: str, group: str) -> None:
    """Run a handler that takes everything, to the end."""
    router = Router()

    @router.handler(topic)
    async def handle(value: bytes) -> None:
        """Take it."""

    await bus.run(router, group=group, burst=True)


def test_a_group_that_never_committed_has_everything_before_it(world: World) -> None:
    """Exactly what is there, in each partition, nothing committed, and old enough to be behind."""

    async def scenario() -> None:
        async with world.topic(partitions=2) as (bus, topic):
            group = fresh_group()
            for number in (0, 0, 0, 1):
                await bus.publish(topic, b"x", partition=number)

            backlog = await bus.check_backlog(group, topics=[topic], max_lag=3)
            patient = await bus.check_backlog(group, topics=[topic], max_lag=4, max_age=HOUR)

            assert (backlog.group, backlog.behind, backlog.lag, lags(backlog)) == (group, True, 4, [3, 1])
            assert [each.committed for each in backlog.partitions] == [None, None]
            assert {each.state for each in backlog.partitions} == {"nobody reads it"}
            assert 0.0 <= backlog.age < HOUR
            assert not patient.behind
            assert backlog.scale_helps == "yes"

    asyncio.run(scenario())


def test_a_group_of_which_nothing_is_known_is_not_taken_for_one_without_a_backlog(world: World) -> None:
    """It is refused with a word on what to name; so is a topic that a broker does not have."""

    async def scenario() -> None:
        async with world.topic() as (bus, topic):
            with pytest.raises(SettingsError, match="name what it is to read"):
                await bus.check_backlog(fresh_group())
            if world.name != "memory":
                with pytest.raises(TopicMissing, match="none-such"):
                    await bus.check_backlog(fresh_group(), topics=[topic, "none-such"])

    asyncio.run(scenario())


def test_a_group_that_has_handled_everything_has_no_backlog_however_long_it_idles(world: World) -> None:
    """Neither lag nor age, seen from another process and without naming a topic."""

    async def scenario() -> None:
        async with world.topic() as (bus, topic):
            group = fresh_group()
            await bus.publish_batch(topic, [b"%d" % number for number in range(20)])
            await handle_all(bus, topic, group)

            async with elsewhere(world) as other:
                backlog = await other.check_backlog(group, max_lag=0, max_age=0.0)

            assert (backlog.behind, backlog.lag, backlog.age, backlog.time_to_drain) == (False, 0, 0.0, 0.0)
            assert [each.topic for each in backlog.partitions] == [topic] * 4

    asyncio.run(scenario())


def test_what_came_after_the_last_commit_waits_and_nothing_else(world: World) -> None:
    """Partition by partition, when the group's members have gone."""

    async def scenario() -> None:
        async with world.topic(partitions=3) as (bus, topic):
            group = fresh_group()
            for number in (0, 0, 1):
                await bus.publish(topic, b"old", partition=number)
            await handle_all(bus, topic, group)
            for number in (1, 1, 2):
                await bus.publish(topic, b"new", partition=number)

            async with elsewhere(world) as other:
                backlog = await other.check_backlog(group)

            assert lags(backlog) == [0, 2, 1]
            assert backlog.partitions[0].age == 0.0

    asyncio.run(scenario())


def test_messages_in_hand_wait_until_they_are_handled(world: World, inbox: Inbox) -> None:
    """Where they are handled and from elsewhere; afterwards the group has caught up."""

    async def scenario() -> None:
        async with world.topic(partitions=1) as (bus, topic), elsewhere(world) as other:
            group, gate = fresh_group(), asyncio.Event()

            async def handle(value: bytes) -> None:
                inbox.add(value)
                await gate.wait()

            subscription = await bus.subscribe(topic, handle, group=group)
            await bus.publish_batch(topic, [b"1", b"2", b"3"])
            await inbox.count(1)

            here = await until(bus, group, topic, lambda backlog: backlog.lag == 3)
            there = await until(other, group, topic, lambda backlog: backlog.lag == 3)
            gate.set()
            after = await until(other, group, topic, lambda backlog: backlog.lag == 0)

            assert here.partitions[0].state != "caught up"
            assert there.members in (1, None)
            assert after.partitions[0].state == "caught up"
            await subscription.drain()

    asyncio.run(scenario())


def test_a_group_that_begins_at_the_end_has_nothing_before_it(world: World) -> None:
    """A group without a commit that would begin with the latest message has no backlog."""

    async def scenario() -> None:
        async with world.topic(partitions=2) as (bus, topic):
            await bus.publish_batch(topic, [b"1", b"2", b"3"])

            backlog = await bus.check_backlog(fresh_group(), topics=[topic], start="latest", max_lag=0)

            assert (backlog.behind, backlog.lag) == (False, 0)

    asyncio.run(scenario())


def test_a_second_look_tells_the_rates(world: World) -> None:
    """What came and what went in between, and so how long the rest takes."""

    async def scenario() -> None:
        async with world.topic(partitions=2) as (bus, topic):
            group = fresh_group()
            await bus.publish_batch(topic, [b"x"] * 20)
            first = await bus.check_backlog(group, topics=[topic])
            await handle_all(bus, topic, group)
            await bus.publish_batch(topic, [b"x"] * 5)

            second = await bus.check_backlog(group, topics=[topic])

            assert (first.rate_in, first.rate_out, first.time_to_drain) == (None, None, None)
            assert second.rate_in is not None
            assert second.rate_out is not None
            assert second.rate_out == pytest.approx(4 * second.rate_in)
            assert second.lag == 5
            assert second.time_to_drain is not None

    asyncio.run(scenario())


def test_what_cannot_be_asked_is_refused(world: World) -> None:
    """Before anything is sent."""

    async def scenario() -> None:
        async with world.topic() as (bus, topic):
            with pytest.raises(SettingsError, match="max_lag"):
                await bus.check_backlog("g", topics=[topic], max_lag=-1)
            with pytest.raises(SettingsError, match="max_age"):
                await bus.check_backlog("g", topics=[topic], max_age=float("nan"))
            with pytest.raises(SettingsError, match="start"):
                await bus.check_backlog("g", topics=[topic], start="middle")
            with pytest.raises(SettingsError, match="list of names"):
                await bus.check_backlog("g", topics=topic)
            with pytest.raises(SettingsError, match="consumer group"):
                await bus.check_backlog("", topics=[topic])

    asyncio.run(scenario())


def test_every_partition_tells_its_oldest_message_also_behind_large_batches(world: World) -> None:
    """A broker answers for one partition and has no room left for the next: that one is asked again."""

    async def scenario() -> None:
        async with world.topic(partitions=3) as (bus, topic):
            for number in range(3):
                await bus.publish(topic, b"x" * 20_000, partition=number)
            backlog = await bus.check_backlog(fresh_group(), topics=[topic], max_age=None)

            assert lags(backlog) == [1, 1, 1]
            assert [each.age is not None for each in backlog.partitions] == [True, True, True]

    asyncio.run(scenario())
