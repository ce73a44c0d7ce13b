"""A router that is told of its backlog and changes its mode, on a bus: in memory and on a real broker."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Sequence

import pytest
from tests.simulated import pass_time, run, until

from partita import Backlog, BacklogLimits, Batch, EventBus, Outgoing, Router, open_bus


def test_a_route_that_is_behind_makes_more_calls_and_loses_and_repeats_nothing() -> None:
    """Under order by key each key stays in order through both switches."""
    told: list[tuple[bool, int]] = []
    handled: dict[bytes, list[int]] = {}
    in_hand = most = 0
    router = Router()

    @router.on_backlog
    def note(backlog: Backlog) -> None:
        told.append((backlog.behind, backlog.lag))

    @router.handler(
        "orders", order="key", concurrency=2, max_age=10.0, max_lag=60, behind={"concurrency": 20}
    )
    async def charge(order: bytes) -> None:
        nonlocal in_hand, most
        in_hand += 1
        most = max(most, in_hand)
        await asyncio.sleep(1.0)
        key, _, number = order.partition(b" ")
        handled.setdefault(key, []).append(int(number))
        in_hand -= 1

    async def scenario() -> None:
        async with open_bus("memory://?partitions=2") as bus:
            for number in range(300):
                key = b"%d" % (number % 30)
                await bus.publish("orders", b"%s %d" % (key, number), key=key)
            task = asyncio.get_running_loop().create_task(bus.run(router, group="g"))
            await until(lambda: len(told) == 2)
            await until(lambda: sum(map(len, handled.values())) == 300)
            await bus.drain()
            assert (await task).handled == 300
            assert (await bus.check_backlog("g", topics=["orders"])).lag == 0

    _, seconds = run(scenario())

    assert [behind for behind, _ in told] == [True, False]
    assert told[1][1] <= 30
    assert all(numbers == sorted(set(numbers)) for numbers in handled.values())
    assert most == 20
    assert seconds < 100  # 150 at two calls a second


def test_a_router_without_a_word_on_backlogs_is_watched_when_the_run_says_so() -> None:
    """The limits of the run hold for routes that name none, and a listener of an included router is told."""
    told: list[str] = []
    inner, outer, quiet = Router(), Router(), Router()

    @inner.on_backlog
    async def note(backlog: Backlog) -> None:
        told.append(f"{backlog.group} {backlog.behind} {[each.topic for each in backlog.partitions]}")

    @inner.handler("orders", order="none", concurrency=1)
    async def charge(order: bytes) -> None:
        await asyncio.sleep(5.0)

    @outer.handler("bills")
    async def bill(value: bytes) -> None:
        """Take it."""

    @quiet.handler("orders")
    async def other(value: bytes) -> None:
        """Take it."""

    outer.include(inner)

    async def scenario() -> None:
        async with open_bus("memory://?partitions=1") as bus:
            await bus.publish_batch("orders", [b"x"] * 20)
            run_outer = bus.run(outer, group="g", backlog=BacklogLimits(4, None))
            task = asyncio.get_running_loop().create_task(run_outer)
            await until(lambda: len(told) == 2)
            await bus.drain()
            await task
            subscription = await bus.subscribe("bills", bill, group="h")
            assert subscription.monitors == []
            await subscription.drain()

    run(scenario())

    assert told == ["g True ['orders']", "g False ['orders']"]


def test_a_detector_that_fails_ends_nothing() -> None:
    """Not even with a bug of ours, again and again."""

    async def scenario() -> None:
        router = Router(max_lag=3)

        @router.handler("orders")
        async def charge(order: bytes) -> None:
            """Take it."""

        async with open_bus("memory://") as bus:
            task = asyncio.get_running_loop().create_task(bus.run(router, group="g"))
            await until(lambda: bus.standing().ready.healthy)
            (monitor,) = bus._running._subscriptions[0].monitors
            monitor._history = None  # type: ignore[assignment] # a bug
            await pass_time(600.0)
            await bus.publish("orders", b"x")
            await pass_time(1.0)
            assert not task.done()
            await bus.drain()
            assert (await task).handled == 1

    run(scenario())


async def publish(bus: EventBus, topics: Sequence[str]) -> None:
    """Publish 700 messages to each topic, of ten keys."""
    for name in topics:
        values = [b"%s %d" % (name.encode(), number) for number in range(700)]
        await bus.publish_batch(name, [Outgoing(value, key=value[-1:]) for value in values])


@pytest.mark.parametrize("broker", ["kafka", "nats"])
def test_switches_under_load_on_a_real_broker_lose_and_repeat_nothing(
    broker: str, request: pytest.FixtureRequest
) -> None:
    """A route and a batch route go behind and catch up, and each message is handled once."""
    url = f"{broker}://{request.getfixturevalue(broker)}"
    seen, sizes, modes = Counter[bytes](), set[int](), list[bool]()
    topics = [f"behind.{uuid.uuid4().hex[:8]}" for _ in range(2)]
    router, caught_up = Router(max_lag=100, max_age=0.5), asyncio.Event()

    @router.on_backlog
    def note(backlog: Backlog) -> None:
        modes.append(backlog.behind)
        if not backlog.behind:
            caught_up.set()

    @router.handler(
        topics[0], order="key", concurrency=1, max_lag=100, max_age=0.5, behind={"concurrency": 50}
    )
    async def slow(value: bytes) -> None:
        await asyncio.sleep(0.002)
        seen[value] += 1

    @router.batch_handler(topics[1], size=2, within=0.02, behind={"size": 50})
    async def store(batch: Batch) -> None:
        await asyncio.sleep(0.002)
        sizes.add(len(batch))
        seen.update(value for value in batch.values if value is not None)

    async def scenario() -> None:
        async with open_bus(url) as bus:
            for topic in topics:
                await bus.create_topic(topic, partitions=2)
            task = asyncio.get_running_loop().create_task(bus.run(router, group=f"g.{topics[0]}"))
            await publish(bus, topics)
            async with asyncio.timeout(60):
                await caught_up.wait()
                while len(seen) < 1_400:
                    await asyncio.sleep(0.02)
            await bus.drain()
            summary = await task
            for topic in topics:
                await bus.delete_topic(topic)
            assert summary.handled == 1_400

    asyncio.run(scenario())

    assert modes[:2] == [True, False]
    assert set(seen.values()) == {1}
    assert max(sizes) > 2
