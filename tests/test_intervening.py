"""Pausing, resuming and skipping on a bus."""

import asyncio

import pytest

from partita import Closed, Retry, StateName, open_bus

ONCE = Retry(attempts=1)


async def until(condition: object) -> None:
    """Wait, for ten seconds at most."""
    assert callable(condition)
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def test_a_parked_message_is_skipped_by_name_and_the_rest_goes_on() -> None:
    """With what it was parked for, and a clear text for one that is not parked."""
    handled: list[bytes] = []

    async def handle(value: bytes) -> None:
        if value == b"bad":
            raise ValueError("no")
        handled.append(value)

    async def scenario() -> str:
        async with open_bus() as bus:
            await bus.create_topic("orders", partitions=1)
            await bus.publish_batch("orders", [b"bad", b"good"])
            await bus.subscribe("orders", handle, group="billing", retry=ONCE)
            await until(lambda: bus.states()[0].name is StateName.PARKED)
            with pytest.raises(LookupError, match="no message is parked at orders/0@1"):
                bus.skip("orders", 0, 1)
            with pytest.raises(LookupError, match="no consumer of group 'other' here has orders/0"):
                bus.skip("orders", 0, 0, group="other")
            told = str(bus.skip("orders", 0, 0, group="billing"))
            await until(lambda: handled)
            return told

    told = asyncio.run(scenario())

    assert told == f"orders/0@0 in {handle.__qualname__}: ValueError: no"
    assert handled == [b"good"]


def test_a_paused_partition_waits_for_its_resumption() -> None:
    """Others of its topic go on; a partition that is not here is named."""
    handled: list[bytes] = []

    async def handle(value: bytes) -> None:
        handled.append(value)

    async def scenario() -> list[bytes]:
        async with open_bus() as bus:
            await bus.create_topic("orders", partitions=2)
            await bus.subscribe("orders", handle, group="billing")
            bus.pause("orders", 0)
            await bus.publish("orders", b"waits", partition=0)
            await bus.publish("orders", b"goes", partition=1)
            await until(lambda: handled)
            before = list(handled)
            with pytest.raises(LookupError, match="no consumer here has orders/7"):
                bus.pause("orders", 7)
            with pytest.raises(LookupError, match="no message is parked at orders/0@0"):
                bus.resume("orders", 0, 0)
            assert bus.resume("orders", 0) == 0
            await until(lambda: len(handled) == 2)
            return before

    before = asyncio.run(scenario())

    assert before == [b"goes"]
    assert handled == [b"goes", b"waits"]


def test_a_message_is_tried_again_when_asked_for() -> None:
    """At once, when what its handler needs is back."""
    broken = True

    async def handle(value: bytes) -> None:
        if broken:
            raise ValueError("no")

    async def scenario() -> int:
        nonlocal broken
        async with open_bus() as bus:
            await bus.create_topic("orders", partitions=1)
            subscription = await bus.subscribe("orders", handle, group="billing", retry=ONCE)
            await bus.publish("orders", b"1")
            await until(lambda: bus.states()[0].name is StateName.PARKED)
            broken = False
            bus.resume("orders", 0, 0)
            await until(lambda: subscription.handled)
            return subscription.handled

    assert asyncio.run(scenario()) == 1


def test_a_closed_bus_is_told_so() -> None:
    """As by everything else that it offers."""
    with pytest.raises(Closed):
        open_bus().pause("orders", 0)
