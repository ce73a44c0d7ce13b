"""
Row 56: a consumer is restarted 1,000 times in one process; `python -m tests.chaos.thousand_restarts`.

On a real Kafka, each time with a new client that joins, handles a message, and fails. Tasks, threads,
descriptors and sockets are in the end what they were after the first ones. Takes about ten minutes; another
number may be given.
"""

import asyncio
import gc
import os
import sys
import threading
import time
import uuid

from tests.backends.kafka.members import connections
from tests.chaos.kafka import kafka

from partita import open_bus
from partita.core.restarts import RestartPolicy

WARM_UP = 20
WITHIN = 60.0


def held(address: str) -> tuple[int, int, int, int]:
    """Tasks, threads, descriptors, and connections to the broker."""
    gc.collect()
    tasks, threads = len(asyncio.all_tasks()), threading.active_count()
    return tasks, threads, len(os.listdir("/proc/self/fd")), connections(address)


async def later(address: str) -> tuple[int, int, int, int]:
    """What is held a moment later: what is about to end is not counted if one looks again and again."""
    await asyncio.sleep(0.05)
    return held(address)


async def scenario(address: str, restarts: int) -> None:
    """Restart, and compare."""
    topic, handled = f"restarts-{uuid.uuid4().hex[:8]}", asyncio.Event()

    async def handle(value: bytes) -> None:
        handled.set()

    async with open_bus(f"kafka://{address}") as bus:
        await bus.create_topic(topic, partitions=2)
        subscription = await bus.subscribe(topic, handle, group=topic)
        # Not what is measured here: the waits between restarts.
        subscription._supervisor._supervision.policy = RestartPolicy(backoff=0.001, outage_max=0.001)
        consumer, began, first = subscription.consumers[0], time.monotonic(), None
        for number in range(WARM_UP + restarts):
            if number == WARM_UP:
                first = min([await later(address) for _ in range(40)])
            async with asyncio.timeout(WITHIN):
                handled.clear()
                await bus.publish(topic, b"1")
                await handled.wait()
                assert consumer._poller is not None
                consumer._poller.fail(ConnectionError("on purpose"))
                while consumer.restarts <= number or not consumer.partitions:
                    await asyncio.sleep(0.005)
        handled.clear()
        await bus.publish(topic, b"1")
        await handled.wait()
        last = min([await later(address) for _ in range(40)])
        print(f"{restarts} restarts in {time.monotonic() - began:.0f} s: {first} before, {last} after")
        # How many workers a pump has started is a matter of timing.
        assert first is not None
        assert last[0] - first[0] <= 4
        assert first[1:] == last[1:]
        await bus.delete_topic(topic)


if __name__ == "__main__":
    with kafka() as at:
        asyncio.run(scenario(at, int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
    print("row 56: all is well")
