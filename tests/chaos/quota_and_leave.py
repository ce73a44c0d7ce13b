"""
Rows 14 and 48: a member that its broker throttles, and one that leaves in the middle of a rebalance;
`python -m tests.chaos.quota_and_leave`. Takes about a minute.
"""

import asyncio
import struct
import tempfile
import uuid
from pathlib import Path

from tests.faults.access import ask
from tests.faults.clusters import Broker, kafka_cluster
from tests.faults.members import QUICK, group, until

from partita import Message, open_bus

ALTER_QUOTAS = 49


def throttle(address: str, client: str, bytes_per_second: float) -> None:
    """Let one client read only so much."""
    name = struct.pack(">h", len(client)) + client.encode()
    entity = struct.pack(">i", 1) + b"\x00\x09client-id" + name
    rate = struct.pack(">i", 1) + b"\x00\x12consumer_byte_rate" + struct.pack(">d?", bytes_per_second, False)
    answer = ask(address, ALTER_QUOTAS, 0, struct.pack(">i", 1) + entity + rate + struct.pack(">?", False))
    # No throttling of this one, one entry, no error.
    assert struct.unpack_from(">iih", answer) == (0, 1, 0), answer


def throttled(broker: Broker) -> None:
    """Row 14: the broker holds its answers back; nothing is red and no client is rebuilt."""
    topic, handled = f"faults-{uuid.uuid4().hex[:10]}", list[bytes]()

    async def handle(value: bytes) -> None:
        handled.append(value)

    async def scenario() -> None:
        address = broker.server.address
        throttle(address, topic, 20_000.0)
        async with open_bus(f"kafka://{address}?client_id={topic}&max_partition_fetch_bytes=20000") as bus:
            await bus.create_topic(topic, partitions=1)
            for _ in range(40):  # a batch each, for the broker hands out whole ones
                await bus.publish(topic, b"x" * 10_000)
            began = asyncio.get_running_loop().time()
            member = await bus.subscribe(topic, handle, group=topic)
            while len(handled) < 40:
                parts = (await bus.health_check()).parts
                assert all(each.healthy for each in parts.values()), parts
                await asyncio.sleep(0.05)
            seconds = asyncio.get_running_loop().time() - began
            print(f"throttled: 400 KB at 20 KB/s in {seconds:.1f} s, {member.consumers[0].restarts} restarts")
            assert seconds > 5.0
            assert member.consumers[0].restarts == 0

    asyncio.run(scenario())


def leaving(kafka: str) -> None:
    """Row 48: a member drains for long, so that nothing is dealt out; who leaves does not wait for it."""
    go = asyncio.Event()

    async def stubborn(message: Message) -> None:
        await go.wait()

    async def scenario() -> None:
        async with group(kafka, partitions=2) as used:
            await used.publish(2, keys=0)
            await used.join("a", stubborn, drain_timeout=25.0)
            await until(lambda: used.log.count("start") > 0, "a is busy")
            second = await used.join("b", stubborn, drain_timeout=25.0, options=QUICK)
            await asyncio.sleep(0.5)
            began = asyncio.get_running_loop().time()
            async with asyncio.timeout(15.0):
                await second.leave()
            print(f"leaving in mid-rebalance took {asyncio.get_running_loop().time() - began:.1f} s")
            go.set()
            await used.all_done()

    asyncio.run(scenario())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, kafka_cluster(Path(folder), nodes=1) as cluster:
        throttled(cluster.brokers[1])
        leaving(cluster.address)
    print("rows 14 and 48: all is well")
