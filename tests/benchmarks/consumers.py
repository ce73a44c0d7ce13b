"""
Programs that read a topic, each in a process of its own: `python -m tests.benchmarks.consumers NAME`.

A handler that does nothing takes the client's record, or the payload. Prints seconds and CPU seconds from the
first message to the last, and the most memory that the process had, in MiB.
"""

import argparse
import asyncio
import resource
import sys
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

DEADLINE = 300.0


class Counter:
    """
    Stops the time from the first message to the last.

    Args:
        messages: how many there are.
    """

    def __init__(self, messages: int) -> None:
        self.left, self._began, self._cpu = messages, 0.0, 0.0
        self.over = asyncio.Event()
        self.printed = ""

    def count(self) -> None:
        """One more."""
        if not self._began:
            self._began, self._cpu = perf_counter(), process_time()
        self.left -= 1
        if self.left == 0:
            seconds, cpu = perf_counter() - self._began, process_time() - self._cpu
            self.printed = f"{seconds:.6f} {cpu:.6f} {most_memory():.1f}"
            self.over.set()

    async def result(self) -> str:
        """What is to be printed; waits for the last message."""
        async with asyncio.timeout(DEADLINE):
            await self.over.wait()
        return self.printed


def most_memory() -> float:
    """The most memory that this process had, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # What getrusage says may be the parent's: Linux keeps it over exec.
        told = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(told["VmHWM"].split()[0]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


async def getmany(arguments: argparse.Namespace, counter: Counter) -> str:
    """The bare loop: aiokafka alone."""
    aiokafka: Any = import_module("aiokafka")
    options = {name: int(value) for name, value in _options(arguments).items()}
    consumer = aiokafka.AIOKafkaConsumer(
        arguments.topic,
        bootstrap_servers=arguments.address,
        group_id=arguments.group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        **options,
    )
    count = counter.count

    async def handle(record: object) -> None:
        count()

    await consumer.start()
    committed = perf_counter()
    try:
        while counter.left > 0:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                for record in records:
                    await handler_for(arguments, record, handle)
            if perf_counter() - committed >= 1.0:
                await consumer.commit()
                committed = perf_counter()
        return await counter.result()
    finally:
        await consumer.stop()


def handler_for(
    arguments: argparse.Namespace, record: Any, handle: Callable[[object], Awaitable[None]]
) -> Any:
    """The same call of the same handler."""
    return handle(record.value if arguments.handler == "bytes" else record)


def _options(arguments: argparse.Namespace) -> Mapping[str, str]:
    return dict(each.split("=", 1) for each in arguments.option)


async def partita(arguments: argparse.Namespace, counter: Counter) -> str:
    """A bus of ours."""
    from partita import open_bus

    layers = import_module("tests.benchmarks.layers")
    query = "&".join(arguments.option)
    async with open_bus(f"kafka://{arguments.address}?{query}") as bus:
        router = layers.router(arguments.handler, arguments.topic, counter.count)
        running = asyncio.ensure_future(bus.run(router, group=arguments.group))
        printed = await counter.result()
        running.cancel()
        await asyncio.wait([running])
        return printed


async def faststream(arguments: argparse.Namespace, counter: Counter) -> str:
    """FastStream over aiokafka."""
    kafka: Any = import_module("faststream.kafka")
    broker = kafka.KafkaBroker(arguments.address, logger=None)

    async def handle(value: bytes) -> None:
        counter.count()

    broker.subscriber(
        arguments.topic, group_id=arguments.group, auto_offset_reset="earliest", decoder=_undecoded
    )(handle)
    await broker.start()
    try:
        return await counter.result()
    finally:
        await broker.stop()


async def _undecoded(message: Any) -> bytes:
    body: bytes = message.body
    return body


PROGRAMS: Mapping[str, Callable[[argparse.Namespace, Counter], Awaitable[str]]] = {
    "getmany": getmany,
    "partita": partita,
    "faststream": faststream,
}


def main() -> None:
    """Run one program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", choices=PROGRAMS)
    parser.add_argument("--address", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--group", required=True)
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--handler", default="record")
    parser.add_argument("--uvloop", action="store_true")
    parser.add_argument("--option", action="append", default=[], help="NAME=VALUE of the client")
    arguments = parser.parse_args()
    factory = import_module("uvloop").new_event_loop if arguments.uvloop else None

    async def run() -> None:
        print(await PROGRAMS[arguments.program](arguments, Counter(arguments.messages)), flush=True)

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(run())


if __name__ == "__main__":
    main()
