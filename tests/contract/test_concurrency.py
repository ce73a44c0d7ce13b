"""How many handlers run at once, on every backend: never more than the route says, and none for nothing."""

import asyncio
from collections import Counter

import pytest
from tests.contract.test_universal import group
from tests.contract.world import DEADLINE, Inbox, World

from partita import Message, Outgoing, Router

PARTITIONS = 4


@pytest.mark.parametrize("order", ["partition", "none"])
def test_calls_in_flight_are_never_more_than_concurrency_over_all_partitions(
    world: World, order: str
) -> None:
    """The limit is the route's in a process; with as many partitions in order as that, all of it is used."""
    running: Counter[int] = Counter()
    most, in_one = 0, 0

    async def handle(message: Message) -> None:
        nonlocal most, in_one
        running[message.partition] += 1
        most, in_one = max(most, running.total()), max(in_one, *running.values())
        await asyncio.sleep(0.002)
        running[message.partition] -= 1

    async def scenario() -> int:
        async with world.topic(PARTITIONS) as (bus, topic):
            for number in range(PARTITIONS):
                messages = [Outgoing(b"%d" % n, partition=number) for n in range(50)]
                await bus.publish_batch(topic, messages)
            router = Router()
            router.handler(topic, order=order, concurrency=3)(handle)  # type: ignore[arg-type]
            return (await bus.run(router, group=group(), burst=True)).handled

    assert asyncio.run(scenario()) == 50 * PARTITIONS
    assert most == 3
    assert in_one == (1 if order == "partition" else 3)


@pytest.mark.parametrize("null_key", ["none", "serial"])
def test_messages_without_a_key_are_a_hundred_in_flight_unless_the_route_says_serial(
    world: World, inbox: Inbox, null_key: str
) -> None:
    """A missing key is no key that all of them share, unless that is asked for."""
    release, most, running = asyncio.Event(), 0, 0

    async def handle(value: bytes) -> None:
        nonlocal most, running
        running += 1
        most = max(most, running)
        if running == 100 or null_key == "serial":
            release.set()
        await release.wait()
        await asyncio.sleep(0)
        running -= 1
        inbox.add(value)

    values = [b"%d" % number for number in range(100)]

    async def scenario() -> None:
        async with world.topic(partitions=1) as (bus, topic), asyncio.timeout(DEADLINE):
            await bus.publish_batch(topic, values)
            router = Router()
            route = router.handler(topic, order="key", concurrency=100, null_key=null_key)  # type: ignore[arg-type]
            route(handle)
            await bus.run(router, group=group(), burst=True)

    asyncio.run(scenario())

    assert most == (100 if null_key == "none" else 1)
    assert sorted(inbox.values, key=lambda value: int(value or b"")) == values
    assert null_key == "none" or inbox.values == values


def test_partitions_that_are_idle_cost_no_task(world: World) -> None:
    """Work on one of many partitions takes no more tasks of a process than work on the only one."""

    async def tasks(partitions: int) -> int:
        counted = list[int]()

        async def handle(value: bytes) -> None:
            await asyncio.sleep(0.01)
            counted.append(len(asyncio.all_tasks()))

        async with world.topic(partitions) as (bus, topic):
            await bus.publish_batch(topic, [Outgoing(b"%d" % n, partition=0) for n in range(3)])
            router = Router()
            router.handler(topic, concurrency=8)(handle)
            await bus.run(router, group=group(), burst=True)
        return max(counted)

    many = 1000 if world.name == "memory" else 16

    # A client may have a task or two more for what it asks the broker about, but not one for each.
    assert asyncio.run(tasks(many)) - asyncio.run(tasks(1)) < 5
