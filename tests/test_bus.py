"""EventBus: publishing, running a router, and closing, on virtual time."""

import asyncio
import re
from collections.abc import AsyncIterator

import anyio
import pytest
from tests.simulated import pass_time, run, until

from partita import (
    Closed,
    Context,
    EventBus,
    Message,
    Outgoing,
    Retry,
    RouteError,
    Router,
    SettingsError,
    TopicMissing,
    open_bus,
)


def test_publish_returns_where_the_message_is() -> None:
    """Topic, partition and offset, and a timestamp in milliseconds."""

    async def scenario() -> None:
        async with open_bus("memory://?partitions=2") as bus:
            receipt = await bus.publish(
                "orders", b"1", key=b"k", headers=[("a", b"b")], partition=1, timestamp=7
            )
            assert receipt == ("orders", 1, 0, 7)
            assert await bus.list_topics() == {"orders": 2}

    run(scenario())


@pytest.mark.parametrize(
    "arguments",
    [
        {"value": "text"},
        {"value": bytearray(b"1")},
        {"value": b"1", "key": "text"},
        {"value": b"1", "headers": [("a", "text")]},
        {"value": b"1", "headers": [(b"a", b"b")]},
        {"value": b"1", "headers": [("a",)]},
        {"value": b"1", "headers": {"a": b"b"}},
        {"value": b"1", "headers": [5]},
    ],
)
def test_publish_refuses_what_no_broker_can_carry(arguments: dict[str, object]) -> None:
    """Before anything is sent, in all three ways to send; the rest is not affected."""

    async def scenario() -> None:
        async with open_bus() as bus:
            with pytest.raises(TypeError):
                await bus.publish("orders", **arguments)  # type: ignore[arg-type]
            with pytest.raises(TypeError):
                bus.send("orders", **arguments)  # type: ignore[arg-type]
            with pytest.raises(TypeError):
                await bus.publish_batch("orders", [b"1", Outgoing(**arguments)])  # type: ignore[arg-type]
            await bus.flush()
            assert await bus.list_topics() == {}

    run(scenario())


def test_a_run_ends_when_drained_and_tells_what_it_came_to() -> None:
    """Not before: without burst a worker waits for more."""
    router, seen = Router(), list[bytes]()

    @router.handler("orders")
    async def handle(value: bytes) -> None:
        seen.append(value)

    async def scenario() -> None:
        async with open_bus() as bus, asyncio.TaskGroup() as tasks:
            running = tasks.create_task(bus.run(router))
            await pass_time(1)
            assert bus.is_running
            await bus.publish("orders", b"1")
            await until(lambda: seen)
            await pass_time(100)
            assert not running.done()
            await bus.drain()
            summary = await running
            assert (summary.handled, summary.failed, summary.abandoned) == (1, 0, 0)
            assert not bus.is_running

    run(scenario())


def test_a_burst_handles_what_its_own_handlers_publish() -> None:
    """Through every stage, retries included."""
    router, seen = Router(), list[bytes]()

    @router.handler("first", to="second")
    async def first(value: bytes) -> bytes:
        return value + b"!"

    @router.handler("second")
    async def second(value: bytes, context: Context) -> None:
        if context.attempt == 1:
            raise ValueError("no")
        await context.publish("third", value + b"?")

    @router.handler(re.compile("third|fourth"), group="other")
    async def third(message: Message) -> None:
        seen.append(message.value or b"")

    async def scenario() -> None:
        async with open_bus() as bus:
            await bus.publish_batch("first", [b"a", b"b"])
            summary = await bus.run(router, burst=True)
            assert summary.handled == 6

    run(scenario())

    assert sorted(seen) == [b"a!?", b"b!?"]


def test_a_burst_waits_for_retries_and_not_for_parked_messages() -> None:
    """And names what is parked, with what was handled before it."""
    router = Router()

    @router.handler("orders", retry=Retry(attempts=3, backoff=10.0, jitter=0.0))
    async def handle(value: bytes, context: Context) -> None:
        if value == b"poison" or (value == b"late" and context.attempt < 3):
            raise ValueError("no")

    async def scenario() -> None:
        async with open_bus("memory://?partitions=2") as bus:
            for value in (b"1", b"poison", b"behind"):
                await bus.publish("orders", value, partition=0)
            await bus.publish("orders", b"late", partition=1)
            summary = await bus.run(router, burst=True)
            assert (summary.handled, summary.failed) == (2, 1)
            assert str(summary.parked[0]).startswith("orders/0@1 in ")
            assert str(summary.parked[0]).endswith("handle: ValueError: no")

    _, seconds = run(scenario())

    assert 30 <= seconds < 31


def test_what_a_parked_message_had_published_is_published_each_time() -> None:
    """At least once: each attempt's own messages stay."""
    router = Router()

    @router.handler("orders", retry=Retry(attempts=3, backoff=0.1))
    async def handle(value: bytes, context: Context) -> None:
        await context.publish("bills", value)
        raise ValueError("no")

    async def scenario() -> None:
        async with open_bus() as bus:
            await bus.publish("orders", b"1")
            await bus.run(router, burst=True)
            bills = list[bytes]()

            async def keep(value: bytes) -> None:
                bills.append(value)

            await bus.subscribe("bills", keep)
            await until(lambda: len(bills) == 3)
            assert bills == [b"1"] * 3

    run(scenario())


def test_a_result_that_cannot_be_published_fails_its_message() -> None:
    """The source is not handled before its result is acknowledged."""
    router = Router(retry=Retry(attempts=1))

    @router.handler("orders", to="bills")
    async def handle(value: bytes) -> object:
        return {b"none": None, b"text": "text", b"outgoing": Outgoing(None, key=b"k")}[value]

    async def scenario() -> None:
        async with open_bus() as bus:
            for partition, value in enumerate([b"none", b"text", b"outgoing"]):
                await bus.publish("orders", value, partition=partition)
            summary = await bus.run(router, burst=True)
            assert (summary.handled, summary.failed) == (2, 1)
            assert "returned str; a route with to= publishes bytes" in summary.parked[0].error

    run(scenario())


def test_a_cancelled_run_ends_in_good_order() -> None:
    """What is in hand is finished and committed."""
    router, done = Router(), list[bytes]()

    @router.handler("orders")
    async def handle(value: bytes) -> None:
        await pass_time(5)
        done.append(value)

    async def scenario() -> None:
        async with open_bus("memory://?partitions=1") as bus:
            await bus.publish_batch("orders", [b"1", b"2"])
            with anyio.move_on_after(1):
                await bus.run(router)
            assert done == [b"1"]
            task = asyncio.get_running_loop().create_task(bus.run(router))
            await pass_time(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert done == [b"1", b"2"]
            assert (await bus.run(router, burst=True)).handled == 0

    run(scenario())


def test_lifespans_surround_the_messages() -> None:
    """Entered before the first, left after the last, and handed to the handlers as state."""
    router, seen = Router(), list[str]()

    @router.lifespan
    async def resources(bus: EventBus) -> AsyncIterator[str]:
        seen.append("enter")
        yield "pool"
        seen.append("leave")

    @router.handler("orders", "bills")
    @router.handler("clicks")
    async def handle(context: Context[str]) -> None:
        seen.append(context.state)

    async def scenario() -> None:
        async with open_bus() as bus:
            for topic in ("orders", "clicks"):
                await bus.publish(topic, b"1")
            await bus.run(router, burst=True)

    run(scenario())

    assert seen == ["enter", "pool", "pool", "leave"]


def test_two_patterns_for_one_topic_are_refused_before_anything_is_handled() -> None:
    """Also when the topic comes later: then the run ends with the same error."""
    router, seen = Router(), list[bytes]()

    @router.handler(re.compile("a.*"))
    @router.handler(re.compile(".*b"))
    async def handle(value: bytes) -> None:
        seen.append(value)

    async def scenario() -> None:
        async with open_bus() as bus:
            await bus.publish("ab", b"1")
            with pytest.raises(RouteError, match="'ab' is matched by the pattern"):
                await bus.run(router, burst=True)
        async with open_bus() as bus:
            running = asyncio.get_running_loop().create_task(bus.run(router))
            await pass_time(1)
            await bus.publish("ab", b"1")
            with pytest.raises(RouteError, match="'ab' is matched by the pattern"):
                await running

    run(scenario())

    assert seen == []


@pytest.mark.parametrize(
    ("router", "told"),
    [
        (Router(), "the router has no handler"),
    ],
)
def test_refuses_a_router_without_handlers(router: Router, told: str) -> None:
    """It would wait for ever."""

    async def scenario() -> None:
        async with open_bus() as bus:
            with pytest.raises(SettingsError, match=told):
                await bus.run(router)

    run(scenario())


def test_topics_are_made_listed_and_deleted() -> None:
    """With a name that every broker takes."""

    async def scenario() -> None:
        async with open_bus() as bus:
            await bus.create_topic("orders", partitions=2)
            assert await bus.list_topics() == {"orders": 2}
            await bus.delete_topic("orders")
            with pytest.raises(TopicMissing):
                await bus.delete_topic("orders")
            with pytest.raises(SettingsError):
                await bus.create_topic("no topic!")

    run(scenario())


def test_a_bus_that_is_not_open_says_so() -> None:
    """Before and after its block, and closing twice is closing once."""
    bus = open_bus("memory://")

    async def refused() -> None:
        for call in (bus.publish("a", b""), bus.flush(), bus.list_topics(), bus.health_check()):
            with pytest.raises(Closed, match="the bus is not open"):
                await call
        with pytest.raises(Closed):
            bus.send("a", b"")

    async def scenario() -> None:
        await refused()
        assert repr(bus) == "<EventBus memory:// closed>"
        async with bus:
            assert repr(bus) == "<EventBus memory:// open>"
            assert (bus.system, bus.reader.record_type.rpartition(".")[2]) == ("memory", "MemoryRecord")
            assert not bus.is_unreachable(OSError())
            assert not bus.is_retriable(OSError())
        await bus.aclose()
        await refused()

    run(scenario())


def test_a_named_bus_may_be_opened_from_one_loop_after_another() -> None:
    """The broker outlives a loop, as scripts and tests do it."""
    router, seen = Router(), list[bytes]()

    @router.handler("orders")
    async def handle(value: bytes) -> None:
        seen.append(value)

    async def scenario(value: bytes) -> None:
        async with open_bus("memory://test-bus-loops") as bus:
            await bus.publish("orders", value)
            await bus.run(router, burst=True)

    for value in (b"1", b"2"):
        asyncio.run(scenario(value))

    assert seen == [b"1", b"2"]
