"""
Row 72: dead-letter topics that take letters again; `python -m tests.chaos.dead_letters_return`.

Missing, forbidden, too small, and full: the message of each parks, the topic is mended, and without anybody's
doing the letter is there and the message committed. Parked messages are tried every 60 s, so it takes a
minute and a half.
"""

import asyncio
import logging
import tempfile
import time
from pathlib import Path
from typing import Protocol

from tests.brokers import running
from tests.faults.clusters import kafka_cluster
from tests.faults.members import until
from tests.faults.test_dead_letter_topics import Forbidden, Full, TooSmall, red

from partita import EventBus, Outgoing, Retry, open_bus

WITHIN = 120.0


class Obstacle(Protocol):
    """What is wrong with a topic."""

    async def make(self, bus: EventBus, topic: str) -> None:
        """Make the topic as it is not to be."""
        ...

    async def mend(self, bus: EventBus, topic: str) -> None:
        """Make it usable."""
        ...


class Missing:
    """There is no such topic."""

    async def make(self, bus: EventBus, topic: str) -> None:
        """It is not made."""

    async def mend(self, bus: EventBus, topic: str) -> None:
        """Make it."""
        await bus.create_topic(topic, partitions=1)


async def returns(bus: EventBus, topic: str, obstacle: Obstacle) -> float:
    """Park, mend, and wait for the letter; returns the seconds from the mending to the end."""
    dead, seen = f"{topic}.dlq", list[bytes]()

    async def charge(order: bytes) -> None:
        seen.append(order)
        if order == b"bad":
            raise ValueError("no")

    await bus.create_topic(topic, partitions=1)
    await obstacle.make(bus, dead)
    await bus.publish_batch(topic, [Outgoing(b"bad", key=b"a"), Outgoing(b"after", key=b"a")])
    subscription = await bus.subscribe(
        topic, charge, group=topic, order="key", retry=Retry(attempts=1), dead_letter=dead
    )
    await red(bus, f"{topic}/0")
    await obstacle.mend(bus, dead)
    begun = time.monotonic()
    await until(lambda: seen == [b"bad", b"after"], f"{topic} goes on", WITHIN)
    taken = time.monotonic() - begun
    await subscription.drain()
    letters = [each.message.value async for each in bus.dead_letters(dead)]
    burst = await bus.subscribe(topic, charge, group=topic)
    await burst.drain()

    assert letters == [b"bad"]
    assert seen == [b"bad", b"after"], "what was committed came again"
    return taken


async def scenario(kafka: str, nats: str) -> None:
    """All at once."""
    async with open_bus(f"kafka://{kafka}") as bus, open_bus(f"nats://{nats}") as other:
        obstacles: dict[str, Obstacle] = {
            "missing": Missing(),
            "forbidden": Forbidden(kafka),
            "small": TooSmall(kafka),
        }
        waits = [returns(bus, name, obstacle) for name, obstacle in obstacles.items()]
        waits += [returns(other, "missing", Missing()), returns(other, "full", Full(nats))]
        taken = await asyncio.gather(*waits)
        healths = [await bus.health_check(), await other.health_check()]
    names = [*(f"kafka {name}" for name in obstacles), "nats missing", "nats full"]
    told = ", ".join(f"{name} {each:.0f} s" for name, each in zip(names, taken, strict=True))
    print(f"gone on after {told}")
    assert all(each.healthy for each in healths), healths


def main() -> None:
    """Run it."""
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        folder, other = Path(one), Path(two)
        with kafka_cluster(folder, nodes=1) as cluster, running("nats", other) as server:
            asyncio.run(scenario(cluster.address, server.address))


if __name__ == "__main__":
    main()
