"""What a bus says of itself to whoever starts and stops processes."""

import asyncio

import pytest
from tests.faulty import FaultyBackend, Outage
from tests.simulated import pass_time, run, until

from partita import EventBus, RestartLimitReached, Standing, open_bus


async def ignore(value: bytes) -> None:
    """Handle."""


def told(standing: Standing) -> tuple[bool, bool, bool]:
    """Whether it is alive, ready and started."""
    return standing.live.healthy, standing.ready.healthy, standing.started.healthy


def test_a_bus_is_ready_from_its_join_to_its_drain() -> None:
    """It stays started, and alive, while it drains and after that."""

    async def scenario() -> None:
        async with open_bus() as bus:
            assert told(bus.standing()) == (True, False, False)
            assert bus.standing().started.reason == "nothing runs here"
            subscription = await bus.subscribe("orders", ignore, group="g")
            await until(lambda: told(bus.standing()) == (True, True, True))
            assert bus.standing().ready.reason == "consumer g has 4 partitions"
            await subscription.drain()
            assert told(bus.standing()) == (True, False, True)

    run(scenario())


def test_a_drain_is_not_ready_and_says_since_when() -> None:
    """Nobody should count on a member that takes nothing new."""
    going = asyncio.Event()

    async def handle(value: bytes) -> None:
        going.set()
        await pass_time(5)

    async def scenario() -> None:
        async with open_bus() as bus:
            subscription = await bus.subscribe("orders", handle, group="g")
            await bus.publish("orders", b"1")
            await going.wait()
            draining = asyncio.get_running_loop().create_task(subscription.drain())
            await pass_time(3)
            ready = bus.standing().ready
            await draining
            assert ready.reason.startswith("draining")
            assert ready.since == pytest.approx(3.0)

    run(scenario())


def test_the_members_of_a_group_that_has_too_many_are_ready() -> None:
    """Four partitions for five members: one has none, is ready, and says so."""

    async def scenario() -> None:
        async with open_bus() as bus:
            for _ in range(5):
                await bus.subscribe("orders", ignore, group="g")
            await until(lambda: bus.standing().ready.healthy)
            assert (
                "has no partition: its group has more members than partitions" in bus.standing().ready.reason
            )

    run(scenario())


def test_a_broker_that_is_away_is_unready_and_alive() -> None:
    """A restart of the process would bring nobody nearer to it."""
    backend = FaultyBackend({"start": Outage("away")})

    async def scenario() -> None:
        async with EventBus(backend) as bus:
            joining = asyncio.get_running_loop().create_task(bus.subscribe("orders", ignore, group="g"))
            await pass_time(60)
            standing = bus.standing()
            assert told(standing) == (True, False, False)
            assert standing.ready.reason == "consumer g is to be started again: Outage: away"
            assert standing.started.since == standing.ready.since == pytest.approx(60, abs=1)
            backend.errors = {}
            await joining
            await until(lambda: told(bus.standing()) == (True, True, True))

    run(scenario())


def test_a_supervisor_that_gave_up_is_not_alive() -> None:
    """A subscription in the background has nobody who waits for it, so this is where it shows."""
    backend = FaultyBackend()

    async def scenario() -> None:
        bus = EventBus(backend)
        async with bus:
            await bus.subscribe("orders", ignore, group="g")
            assert bus.standing().live.healthy
            backend.errors = {"poll": ValueError("a bug")}
            await until(lambda: not bus.standing().live.healthy)
            await pass_time(7)
            live = bus.standing().live
            assert live.reason.startswith("its supervisor has given up: RestartLimitReached")
            assert live.since == pytest.approx(7.0, abs=0.1)
            with pytest.raises(RestartLimitReached):
                await bus.aclose()

    run(scenario())
