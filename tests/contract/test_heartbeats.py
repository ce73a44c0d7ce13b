"""Every backend passes heartbeats, tells them with its health, and refuses what cannot be one."""

import asyncio

import pytest
from tests.contract.world import DEADLINE, World

from partita import EventBus, SettingsError, TopicMissing


async def until_beating(bus: EventBus, beats: int) -> None:
    """Wait until so many beats are back and the health says so."""
    async with asyncio.timeout(DEADLINE):
        while bus.metrics()["partita_heartbeats_returned_total"] < beats:  # type: ignore[index] # text is a key
            await asyncio.sleep(0.02)
        while not (await bus.health_check()).healthy:
            await asyncio.sleep(0.02)


def test_beats_come_back_and_are_told(world: World) -> None:
    """Through a topic of their own, with the time that they took."""

    async def scenario() -> None:
        async with world.topic() as (bus, topic):
            await bus.start_heartbeat(topic, interval=0.2)
            await until_beating(bus, 3)
            part = (await bus.health_check()).parts["heartbeat"]
            assert part.healthy
            assert part.reason.startswith("a beat was back after")
            assert 0 <= bus.metrics()["partita_heartbeat_seconds"] < DEADLINE  # type: ignore[index]

    asyncio.run(scenario())


def test_what_cannot_be_a_heartbeat_is_refused(world: World) -> None:
    """A topic that is not there, an interval that is none, and a second one."""

    async def scenario() -> None:
        async with world.topic() as (bus, topic):
            if world.name != "memory":
                with pytest.raises(TopicMissing):
                    await bus.start_heartbeat(f"{topic}.none")
            with pytest.raises(SettingsError, match="interval"):
                await bus.start_heartbeat(topic, interval=0)
            assert "heartbeat" not in (await bus.health_check()).parts
            await bus.start_heartbeat(topic)
            with pytest.raises(SettingsError, match="already"):
                await bus.start_heartbeat(topic)

    asyncio.run(scenario())
