"""
Clients that are alive and silent, as the field tells of them; `python -m tests.chaos.silent_clients`.

A member on a real broker is broken in a way that its client does not tell. It is to be red, its client
rebuilt within 30 s, and what waited handled, in the same process. Takes about two minutes.
"""

import asyncio
import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.chaos.kafka import kafka
from tests.chaos.nats import nats

from partita import EventBus, open_bus

WITHIN = 30.0
Break = Callable[[Any], None]


def no_coordinator(consumer: Any) -> None:
    """Kafka: the task that keeps the membership has ended without a word (aio-libs/aiokafka#983)."""
    consumer._subscription._consumer._coordinator._coordination_task.cancel()


def never_fetched(consumer: Any) -> None:
    """Kafka: single partitions are never fetched again (faust-streaming/faust#523)."""
    client = consumer._subscription._consumer
    client.pause(*client.assignment())


def forgotten(consumer: Any) -> None:
    """Kafka: the group says that the member owns what it does not know of (scality/backbeat#2818)."""
    consumer._subscription._owned.drop()
    consumer.lost(list(consumer.partitions))


def no_pulls(consumer: Any) -> None:
    """NATS: pull requests are lost and nobody repeats them (nats-io/nats.py#504)."""

    async def lost(*_: object) -> None:
        """Send nothing."""

    for reading in consumer._subscription.readings:
        reading.durable.pull = lost


async def story(url: str, fault: Break, pause: float = 0.0) -> None:
    """
    Break a member, publish to both partitions, and see its client rebuilt and the messages handled.

    Args:
        url: the broker.
        fault: breaks the consumer.
        pause: seconds until what the client has asked for before is over.
    """
    topic, handled = f"silent-{uuid.uuid4().hex[:8]}", Counter[bytes]()

    async def handle(value: bytes) -> None:
        handled[value] += 1

    async def both(bus: EventBus, value: bytes) -> None:
        for number in range(2):
            await bus.publish(topic, value, partition=number)

    async with open_bus(url) as bus:
        await bus.create_topic(topic, partitions=2)
        member = await bus.subscribe(topic, handle, group=topic)
        consumer = member.consumers[0]
        await both(bus, b"before")
        await after(lambda: handled[b"before"] == 2 and consumer.witness.proven)
        fault(consumer)
        await asyncio.sleep(pause)
        began = time.monotonic()
        await both(bus, b"meanwhile")
        while (await bus.health_check()).healthy and time.monotonic() - began < WITHIN:
            await asyncio.sleep(0.01)
        red = time.monotonic() - began
        rebuilt = red + await after(lambda: consumer.restarts == 1)
        await both(bus, b"later")
        # What was not committed before the client was rebuilt is handled again.
        await after(lambda: min(handled[b"meanwhile"], handled[b"later"]) >= 2)
        seconds = time.monotonic() - began
        print(
            f"{fault.__name__}: red after {red:.1f} s, client rebuilt after {rebuilt:.1f} s, "
            f"all handled after {seconds:.1f} s",
            flush=True,
        )
        assert rebuilt <= WITHIN
        await bus.delete_topic(topic)


async def after(condition: Callable[[], bool]) -> float:
    """Wait for a condition; the seconds that it took."""
    began = time.monotonic()
    async with asyncio.timeout(2 * WITHIN):
        while not condition():
            await asyncio.sleep(0.01)
    return time.monotonic() - began


if __name__ == "__main__":
    logging.basicConfig(level=logging.CRITICAL)
    with kafka() as address:
        for each in (no_coordinator, never_fetched, forgotten):
            asyncio.run(story(f"kafka://{address}", each))
    with nats() as address:
        asyncio.run(story(f"nats://{address}", no_pulls, 6.0))
    print("silent clients: all is well")
