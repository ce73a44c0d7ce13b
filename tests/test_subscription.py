"""Subscriptions: background members, and what becomes of them when the broker is in trouble."""

import asyncio

import pytest
from tests.faulty import FaultyBackend, Outage
from tests.simulated import pass_time, run, until

from partita import Closed, EventBus, RestartLimitReached, Router, SettingsError, TopicMissing, open_bus


async def ignore(value: bytes) -> None:
    """Handle."""


def router_of(topic: str = "orders", group: str | None = None) -> Router:
    """A router with one handler that does nothing."""
    router = Router()
    router.handler(topic)(ignore)
    return router


def test_every_subscription_is_a_member_of_its_own() -> None:
    """Two of one group share the partitions; another group has every message."""
    seen: dict[str, list[bytes]] = {"a": [], "b": [], "c": []}

    async def scenario() -> None:
        async with open_bus() as bus:

            async def first(value: bytes) -> None:
                seen["a"].append(value)

            async def second(value: bytes) -> None:
                seen["b"].append(value)

            async def third(value: bytes) -> None:
                seen["c"].append(value)

            await bus.subscribe("orders", first, group="billing")
            last = await bus.subscribe(["orders"], second, group="billing")
            await bus.subscribe("orders", third, group="audit")
            for number in range(40):
                await bus.publish("orders", b"%d" % number)
            await until(lambda: len(seen["a"]) + len(seen["b"]) == 40 == len(seen["c"]))
            assert last.handled == len(seen["b"])
            assert repr(last).startswith("<Subscription [<Consumer 'billing' running: 2 partitions>]: 20")

    run(scenario())

    assert len(seen["a"]) == len(seen["b"]) == 20
    assert len(set(seen["a"] + seen["b"])) == 40


def test_draining_twice_is_draining_once() -> None:
    """Also at the same time, and again by closing the bus."""

    async def scenario() -> None:
        async with open_bus() as bus:
            subscription = await bus.subscribe("orders", ignore)
            await bus.publish("orders", b"1")
            await until(lambda: subscription.handled == 1)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(subscription.drain())
                tasks.create_task(bus.drain())
            await subscription.drain()
            await subscription.closed()
            assert subscription.summary.handled == 1

    run(scenario())


def test_an_outage_at_the_start_and_later_is_waited_out() -> None:
    """A broker that is away for an hour is no reason to give up."""
    backend = FaultyBackend({"start": Outage("away")})

    async def scenario() -> None:
        async with EventBus(backend) as bus, asyncio.TaskGroup() as tasks:
            joining = tasks.create_task(bus.subscribe("orders", ignore, group="g"))
            await pass_time(3600)
            health = await bus.health_check()
            assert health.parts["consumer g"].reason == "Outage: away"
            assert health.parts["consumer g"].since == pytest.approx(3600, abs=1)
            backend.errors = {}
            subscription = await joining
            await pass_time(2)
            assert (await bus.health_check()).healthy
            backend.errors = {"poll": [Outage("again")]}
            await bus.publish("orders", b"1")
            await until(lambda: subscription.handled == 1)
            assert backend.starts > 100

    run(scenario())


def test_an_error_that_is_no_outage_is_forgiven_a_few_times() -> None:
    """Then the run ends, with the client's own error as the cause."""
    error = ValueError("a bug of the client")
    backend = FaultyBackend({"poll": error})

    async def scenario() -> None:
        async with EventBus(backend) as bus:
            with pytest.raises(RestartLimitReached) as caught:
                await bus.run(router_of(), group="g")
            assert caught.value.__cause__ is error
            assert backend.starts == 6

    run(scenario())


def test_a_missing_topic_is_refused_once() -> None:
    """By the subscribe or the run that needs it, as the very same error; and not again by the close."""
    error = TopicMissing("orders")
    backend = FaultyBackend({"start": error})

    async def scenario() -> None:
        async with EventBus(backend) as bus:
            with pytest.raises(TopicMissing) as caught:
                await bus.subscribe("orders", ignore, group="g")
            assert caught.value is error
            with pytest.raises(TopicMissing):
                await bus.run(router_of(), group="g")
            assert not bus.is_running

    run(scenario())


def test_a_subscription_that_gives_up_later_is_told_by_the_close() -> None:
    """Nobody was waiting for it, and it must not end in nothing."""
    error = TopicMissing("orders")
    backend = FaultyBackend()

    async def scenario() -> None:
        bus = EventBus(backend)
        async with bus:
            await bus.subscribe("orders", ignore, group="g")
            backend.errors = {"poll": error}
            await pass_time(1)
            with pytest.raises(TopicMissing) as caught:
                await bus.aclose()
            assert caught.value is error

    run(scenario())


def test_a_burst_waits_out_an_outage_and_tells_everything_else() -> None:
    """To ask what is unread is a call like any other, and may meet a client that is being built anew."""
    backend = FaultyBackend({"unread": [Outage("away"), Closed("not open"), Outage("away")]})

    async def scenario() -> None:
        async with EventBus(backend) as bus:
            await bus.publish("orders", b"1")
            assert (await bus.run(router_of(), group="g", burst=True)).handled == 1
            backend.errors = {"unread": [ValueError("no")]}
            with pytest.raises(ValueError, match="no"):
                await bus.run(router_of(), group="g", burst=True)

    run(scenario())


def test_a_broker_needs_a_group() -> None:
    """It keeps what was handled per group, so a name that was made up would be kept for ever."""

    async def scenario() -> None:
        async with EventBus(FaultyBackend()) as bus:
            with pytest.raises(SettingsError, match=r"name a consumer group .* faulty://here keeps"):
                await bus.run(router_of())
            with pytest.raises(SettingsError, match="name a consumer group"):
                await bus.run(router_of(), group="")
            with pytest.raises(SettingsError, match="name a consumer group"):
                await bus.subscribe("orders", ignore)

    run(scenario())


@pytest.mark.parametrize(
    "stop", [SystemExit(3), KeyboardInterrupt()], ids=["SystemExit", "KeyboardInterrupt"]
)
@pytest.mark.parametrize("burst", [True, False])
def test_a_handler_that_asks_for_the_end_ends_the_run_in_good_order(
    stop: BaseException, burst: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Its message stays unfinished; those before it are committed; the log says why the run ended."""
    router, seen = Router(), list[bytes]()

    @router.handler("orders")
    async def handle(value: bytes) -> None:
        seen.append(value)
        if value == b"stop" and seen.count(value) == 1:
            raise stop

    async def scenario() -> None:
        async with open_bus("memory://?partitions=1") as bus:
            await bus.publish_batch("orders", [b"1", b"stop", b"2"])
            summary = await bus.run(router, burst=burst)
            assert summary.handled == 1
            assert (await bus.run(router, burst=True)).handled == 2

    run(scenario())

    assert seen == [b"1", b"stop", b"stop", b"2"]
    assert f"{type(stop).__name__} was raised" in caplog.text
