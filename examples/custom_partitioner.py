"""
Choose partitions yourself: each region has one, and all others share the third.

    python examples/custom_partitioner.py

With PARTITA_BUS=kafka://HOST:PORT the function is an option of Kafka's own client; elsewhere an interceptor
asks it, which works on every broker.
"""

import asyncio
import os
import uuid
from collections.abc import Sequence

import attrs

from partita import EventBus, KafkaSettings, Message, Outgoing, Router, open_bus

REGIONS = {b"eu": 0, b"us": 1}


def by_region(key: bytes | None, partitions: Sequence[int], available: Sequence[int]) -> int:
    """The partition of a key such as b"eu/customer 7"."""
    region = (key or b"").partition(b"/")[0]
    return partitions[REGIONS.get(region, 2)]


def placed(topic: str, message: Outgoing) -> Outgoing:
    """The message with its partition."""
    return attrs.evolve(message, partition=by_region(message.key, range(3), range(3)))


def bus_at(url: str) -> EventBus:
    """A bus that places messages by region."""
    if url.startswith("kafka://"):
        return open_bus(url, settings=KafkaSettings(producer={"partitioner": by_region}))
    return open_bus(url, on_publish=[placed])


async def main() -> None:
    """Publish an order of each region, and read where they went."""
    topic, router = f"orders-{uuid.uuid4().hex[:8]}", Router()
    found: dict[str, int] = {}

    @router.handler(topic)
    async def note(message: Message) -> None:
        found[(message.key or b"").decode()] = message.partition

    async with bus_at(os.environ.get("PARTITA_BUS", "memory://")) as bus:
        await bus.create_topic(topic, partitions=3)
        for key in (b"eu/7", b"us/1", b"eu/8", b"jp/3"):
            await bus.publish(topic, b"one chair", key=key)
        await bus.run(router, group=topic, burst=True)
        await bus.delete_topic(topic)
    for customer, partition in sorted(found.items()):
        print(f"customer {customer}: partition {partition}")


if __name__ == "__main__":
    asyncio.run(main())
