"""A cluster of three is one: it outlives the death of a member."""

import asyncio
from pathlib import Path

from tests.faults.clusters import kafka_cluster, nats_cluster

from partita import open_bus

COUNT = 30
# Without looking, one in three buses would ask the dead one.
TRIES = 12


async def publish(url: str, topic: str, numbers: range) -> None:
    """Publish numbers, each acknowledged."""
    async with open_bus(url) as bus:
        # Not looked up: NATS lists no streams while one of them chooses a leader.
        if 0 in numbers:
            await bus.create_topic(topic, partitions=3, replication=3)
        for number in numbers:
            await bus.publish(topic, b"%d" % number, partition=number % 3)


async def values(url: str, topic: str, count: int) -> list[bytes]:
    """The first messages of a topic, read by a group of its own."""
    found: list[bytes] = []
    enough = asyncio.Event()

    async def note(value: bytes) -> None:
        found.append(value)
        if len(found) >= count:
            enough.set()

    async with open_bus(url) as bus:
        subscription = await bus.subscribe(topic, note, group=f"{topic}.readers")
        async with asyncio.timeout(60):
            await enough.wait()
        await subscription.drain()
    return found


def test_a_kafka_cluster_outlives_a_killed_broker_which_is_never_asked(tmp_path: Path) -> None:
    """
    What was acknowledged before and after the kill is there, and every new bus is healthy, whichever
    broker it would ask by chance.
    """
    with kafka_cluster(tmp_path) as three:
        url = f"kafka://{three.address}"
        asyncio.run(publish(url, "t", range(COUNT)))

        three.brokers[2].server.kill()
        asyncio.run(publish(url, "t", range(COUNT, 2 * COUNT)))
        healths = asyncio.run(healths_of(url))
        found = asyncio.run(values(url, "t", 2 * COUNT))

        assert healths == [True] * TRIES
        assert sorted(map(int, found)) == list(range(2 * COUNT))


async def healths_of(url: str) -> list[bool]:
    """The health of several buses, one after the other, each of which also lists its topics."""
    seen = []
    for _ in range(TRIES):
        async with open_bus(url) as bus:
            seen.append((await bus.health_check()).healthy)
            await bus.list_topics()
    return seen


def test_a_nats_cluster_outlives_a_killed_server_and_takes_it_back(tmp_path: Path) -> None:
    """What was acknowledged before, during and after is there."""
    with nats_cluster(tmp_path) as cluster:
        url = f"nats://{cluster.address}"
        asyncio.run(publish(url, "t", range(COUNT)))
        victim = cluster.servers["n2"]

        victim.kill()
        cluster.settle()
        asyncio.run(publish(url, "t", range(COUNT, 2 * COUNT)))
        victim.start()
        cluster.settle()
        found = asyncio.run(values(url, "t", 2 * COUNT))

        assert sorted(map(int, found)) == list(range(2 * COUNT))
