"""
From publishing to the handler, in one process: `python -m tests.benchmarks.latencies NAME`.

One message after the other is published at a steady rate; each carries the time. Prints mean, median and
99th percentile in milliseconds.
"""

import argparse
import asyncio
import struct
import uuid
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from statistics import mean, quantiles
from time import perf_counter
from typing import Any

from partita import open_bus

PAYLOAD = bytes(1016)
WARM = 1.0  # seconds whose messages do not count
_time = struct.Struct(">d")


class Delays:
    """How long each message was under way."""

    def __init__(self, messages: int) -> None:
        self.seconds: list[float] = []
        self.over = asyncio.Event()
        self._left = messages

    def arrived(self, value: bytes) -> None:
        """One more."""
        self.seconds.append(perf_counter() - _time.unpack_from(value)[0])
        self._left -= 1
        if not self._left:
            self.over.set()

    def printed(self, warm: int) -> str:
        """What is to be printed."""
        counted = self.seconds[warm:]
        cut = quantiles(counted, n=100)
        return " ".join(f"{each * 1000:.3f}" for each in (mean(counted), cut[49], cut[98]))


async def steadily(rate: int, messages: int, publish: Callable[[bytes], Awaitable[object]]) -> None:
    """So many a second; a late one is sent at once."""
    begun = perf_counter()
    for number in range(messages):
        await asyncio.sleep(max(0.0, begun + number / rate - perf_counter()))
        await publish(_time.pack(perf_counter()) + PAYLOAD)


async def client(arguments: argparse.Namespace, topic: str, delays: Delays) -> None:
    """aiokafka alone."""
    aiokafka: Any = import_module("aiokafka")
    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=arguments.address, acks="all", enable_idempotence=True
    )
    consumer = aiokafka.AIOKafkaConsumer(
        topic, bootstrap_servers=arguments.address, group_id=topic, auto_offset_reset="earliest"
    )
    await producer.start()
    await consumer.start()

    async def read() -> None:
        while not delays.over.is_set():
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                for record in records:
                    delays.arrived(record.value)

    async def publish(value: bytes) -> None:
        await producer.send(topic, value)

    reading = asyncio.ensure_future(read())
    await steadily(arguments.rate, arguments.messages, publish)
    await delays.over.wait()
    await reading
    await producer.stop()
    await consumer.stop()


async def partita(arguments: argparse.Namespace, topic: str, delays: Delays) -> None:
    """A bus of ours."""
    async with open_bus(f"kafka://{arguments.address}") as bus:

        async def handle(value: bytes) -> None:
            delays.arrived(value)

        async def publish(value: bytes) -> None:
            bus.send(topic, value)

        subscription = await bus.subscribe(topic, handle, group=topic)
        await steadily(arguments.rate, arguments.messages, publish)
        await delays.over.wait()
        await subscription.drain()


PROGRAMS: Mapping[str, Callable[[argparse.Namespace, str, Delays], Awaitable[None]]] = {
    "aiokafka": client,
    "partita": partita,
}


async def run(arguments: argparse.Namespace) -> None:
    """Measure one program on a topic of its own."""
    topic, delays = f"benchmark.{uuid.uuid4().hex[:10]}", Delays(arguments.messages)
    async with open_bus(f"kafka://{arguments.address}") as bus:
        await bus.create_topic(topic, partitions=4)
        async with asyncio.timeout(300):
            await PROGRAMS[arguments.program](arguments, topic, delays)
        await bus.delete_topic(topic)
    print(delays.printed(int(WARM * arguments.rate)), flush=True)


def main() -> None:
    """Run one program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", choices=PROGRAMS)
    parser.add_argument("--address", required=True)
    parser.add_argument("--rate", type=int, default=1000, help="messages a second (%(default)s)")
    parser.add_argument("--messages", type=int, default=8000)
    parser.add_argument("--uvloop", action="store_true")
    arguments = parser.parse_args()
    factory = import_module("uvloop").new_event_loop if arguments.uvloop else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(run(arguments))


if __name__ == "__main__":
    main()
