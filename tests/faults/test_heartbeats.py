"""Producing works and fetching does not: the broker answers all questions, and the heartbeat is red."""

import asyncio
import uuid

from tests.faults.clusters import Broker
from tests.faults.kafka_proxy import KafkaProxy

from partita import EventBus, Part, open_bus

INTERVAL = 0.5
SLACK = 1.0  # of a busy machine, beside the two intervals


async def becomes(bus: EventBus, healthy: bool, within: float) -> Part:
    """Wait until the heartbeat is *healthy*; fails after *within* seconds."""
    async with asyncio.timeout(within):
        while (part := (await bus.health_check()).parts["heartbeat"]).healthy != healthy or not part.reason:
            await asyncio.sleep(0.02)
    return part


def test_held_fetches_are_red_within_two_intervals_and_green_after_them(
    broker: Broker, proxied: KafkaProxy
) -> None:
    """All answers to fetches wait in a proxy; what is published is acknowledged, and the broker is green."""
    topic = f"beats-{uuid.uuid4().hex[:8]}"

    async def scenario() -> None:
        async with open_bus(f"kafka://{proxied.address}") as bus:
            await bus.create_topic(topic, partitions=1)
            await bus.start_heartbeat(topic, interval=INTERVAL)
            async with asyncio.timeout(20):
                while not bus.metrics()["partita_heartbeats_returned_total"]:  # type: ignore[index]
                    await asyncio.sleep(0.02)
            held = proxied.hold_answer("Fetch")
            await asyncio.to_thread(held.caught)
            part = await becomes(bus, healthy=False, within=INTERVAL * 2 + SLACK)
            health = await bus.health_check()
            assert part.reason.startswith("a beat was acknowledged but not fetched")
            assert health.parts["broker"].healthy
            assert not health.healthy
            held.release()
            await becomes(bus, healthy=True, within=20)

    asyncio.run(scenario())
