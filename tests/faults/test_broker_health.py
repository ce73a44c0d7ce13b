"""Health asks the broker: what it says follows what the broker does."""

import asyncio

import pytest
from tests.brokers import Server

from partita import EventBus, open_bus

WITHIN = 10.0


async def becomes(bus: EventBus, healthy: bool) -> bool:
    """Ask until the answer is *healthy*, for as long as the report may take to turn."""
    try:
        async with asyncio.timeout(WITHIN):
            while (await bus.health_check(timeout=2.0)).healthy != healthy:
                await asyncio.sleep(0.05)
    except TimeoutError:
        return False
    return True


async def follows(server: Server, kind: str, away: str, back: str) -> list[bool]:
    """Whether health is green at first, red while the server is away, and green when it is back."""
    async with open_bus(f"{kind}://{server.address}") as bus:
        await bus.create_topic("orders")
        subscription = await bus.subscribe("orders", ignore, group="health")
        first = await becomes(bus, healthy=True)
        await asyncio.to_thread(getattr(server, away))
        red = await becomes(bus, healthy=False)
        await asyncio.to_thread(getattr(server, back))
        green = await becomes(bus, healthy=True)
        await subscription.drain()
        return [first, red, green]


async def ignore(value: bytes) -> None:
    """A handler that does nothing."""


@pytest.mark.parametrize("kind", ["kafka", "nats"])
def test_a_frozen_broker_is_red_and_green_again_after_it(kind: str, request: pytest.FixtureRequest) -> None:
    """Red within ten seconds of SIGSTOP, green within ten seconds of SIGCONT."""
    server: Server = request.getfixturevalue(f"own_{kind}")

    assert asyncio.run(follows(server, kind, "freeze", "thaw")) == [True, True, True]


@pytest.mark.parametrize("kind", ["kafka", "nats"])
def test_a_killed_broker_is_red_and_green_again_after_it(kind: str, request: pytest.FixtureRequest) -> None:
    """Red within ten seconds of kill -9, green within ten seconds of its port answering again."""
    server: Server = request.getfixturevalue(f"own_{kind}")

    assert asyncio.run(follows(server, kind, "kill", "start")) == [True, True, True]
