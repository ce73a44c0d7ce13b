"""
Publishes 1 KB messages with one library: so many callers, each awaiting the acknowledgement of its message.

A program of its own, which needs no more than the library: `python publishers.py LIBRARY HOST:PORT TOPIC WARM
CALLERS LOOP KEYS`. WARM messages come first and are not measured; with KEYS above 0 each has one of so many
keys. For each line on standard input, which says how many messages, prints seconds, CPU seconds, milliseconds
(mean, median, 99th percentile), megabytes.
"""

import asyncio
import resource
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from itertools import cycle
from pathlib import Path
from time import perf_counter, process_time

PAYLOAD = bytes(1024)
STATM = Path("/proc/self/statm")
Publish = Callable[[bytes | None], Awaitable[object]]


@asynccontextmanager
async def partita(address: str, topic: str) -> AsyncIterator[Publish]:
    """This package's bus."""
    async with import_module("partita").open_bus(f"kafka://{address}") as bus:
        publish = bus.publish
        yield lambda key: publish(topic, PAYLOAD, key=key)


@asynccontextmanager
async def aiokafka(address: str, topic: str) -> AsyncIterator[Publish]:
    """The client's own producer."""
    made = import_module("aiokafka").AIOKafkaProducer
    producer = made(bootstrap_servers=address, acks="all", enable_idempotence=True)
    await producer.start()
    yield lambda key: producer.send_and_wait(topic, PAYLOAD, key=key)
    await producer.stop()


@asynccontextmanager
async def faststream(address: str, topic: str) -> AsyncIterator[Publish]:
    """FastStream's broker object."""
    made = import_module("faststream.kafka").KafkaBroker
    broker = made(address, acks="all", enable_idempotence=True, logger=None)
    await broker.start()
    yield lambda key: broker.publish(PAYLOAD, topic, key=key)
    await broker.stop()


LIBRARIES = {each.__name__: each for each in (partita, aiokafka, faststream)}


async def publish_all(
    publish: Publish, messages: int, callers: int, keys: Iterator[bytes | None]
) -> list[float]:
    """Publish so many messages, so many at once; returns the seconds that each waited."""
    numbers = iter(range(messages))
    waits: list[float] = []

    async def call() -> None:
        for _ in numbers:
            key = next(keys)
            began = perf_counter()
            await publish(key)
            waits.append(perf_counter() - began)

    await asyncio.gather(*[call() for _ in range(callers)])
    return waits


def resident() -> float:
    """Megabytes of memory that this process has; where the system does not tell, the most it had."""
    if STATM.exists():
        return int(STATM.read_text().split()[1]) * resource.getpagesize() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 1024)


async def measure(library: str, address: str, topic: str, sizes: Sequence[int]) -> None:
    """Warm up, then measure and print as often as asked."""
    warm, callers, key_count = sizes
    keys = cycle([b"key-%d" % number for number in range(key_count)] or [None])
    turns = asyncio.get_running_loop().run_in_executor
    async with LIBRARIES[library](address, topic) as publish:
        await publish_all(publish, warm, callers, keys)
        while line := await turns(None, sys.stdin.readline):
            began, cpu = perf_counter(), process_time()
            waits = await publish_all(publish, int(line), callers, keys)
            seconds, spent = perf_counter() - began, process_time() - cpu
            waits.sort()
            times = (sum(waits) / len(waits), waits[len(waits) // 2], waits[int(len(waits) * 0.99)])
            print(seconds, spent, *(1000 * each for each in times), resident(), flush=True)


def main(library: str, address: str, topic: str, *rest: str) -> None:
    """Run on the event loop that is named."""
    warm, callers, loop, keys = rest
    factory = import_module("uvloop").new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(measure(library, address, topic, [int(warm), int(callers), int(keys)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
