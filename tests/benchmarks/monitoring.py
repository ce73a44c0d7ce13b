"""
What watching costs: CPU seconds of the detector of backlogs and of the partitions' monitor over those of the
process, while a handler keeps a core busy, and the connections that they open.

    python -m tests.benchmarks.monitoring [--messages 100000]
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Coroutine, Generator, Mapping
from pathlib import Path
from time import process_time, thread_time
from types import coroutine
from typing import Any

import attrs
from tests.benchmarks.brokered import Topic, filled

from partita import BacklogLimits, Router, open_bus

WATCHERS = ("backlog", "monitor")
LIMIT = 0.01
BURN = 3_000  # additions in a handler: some 30 µs


@attrs.define
class Meter:
    """CPU seconds of some tasks, and of those that they begin."""

    seconds: float = 0.0
    looks: int = 0
    on: bool = False

    def factory(self, loop: asyncio.AbstractEventLoop, made: Any, **options: Any) -> asyncio.Task[Any]:
        """Make a task, measured if it is one of the watchers' or begun by one."""
        return asyncio.Task(self._run(made) if self._is_watcher(made) else made, loop=loop, **options)

    def _is_watcher(self, made: Any) -> bool:
        if self.on:
            return True
        # What a task group runs has a name only in what it wraps it in.
        names = [str(getattr(each, "name", "")) for each in _locals(made).values()]
        return any(name.rpartition("/")[2].startswith(WATCHERS) for name in names)

    async def _run(self, made: Coroutine[Any, Any, Any]) -> Any:
        return await _steps(made, self)


def _locals(made: object) -> Mapping[str, object]:
    frame = getattr(made, "cr_frame", None)
    return {} if frame is None else frame.f_locals


@coroutine
def _steps(made: Coroutine[Any, Any, Any], meter: Meter) -> Generator[Any, Any, Any]:
    error: BaseException | None = None
    while True:
        before, outer = thread_time(), meter.on
        meter.on = True
        try:
            waited = made.send(None) if error is None else made.throw(error)
        except StopIteration as end:
            return end.value
        finally:
            meter.on = outer
            meter.seconds += thread_time() - before
            meter.looks += 1
        error = None
        try:
            yield waited
        # It is the task's: a cancellation, or what it waited for.
        except BaseException as raised:  # noqa: BLE001
            error = raised


def sockets() -> int:
    """How many this process has."""
    links = [each for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    return sum(os.readlink(each).startswith("socket:") for each in links)


async def consume(
    topic: Topic, messages: int, limits: BacklogLimits | None, meter: Meter
) -> tuple[float, int]:
    """Handle all messages; returns the CPU seconds of the process, and its sockets in the middle of it."""
    left, open_sockets, over = messages, 0, asyncio.Event()
    router = Router()

    @router.handler(topic.name, order="key")
    async def handle(value: bytes) -> None:
        nonlocal left, open_sockets
        sum(range(BURN))
        left -= 1
        if left == messages // 10:
            open_sockets = sockets()
        if not left:
            over.set()

    asyncio.get_running_loop().set_task_factory(meter.factory)
    async with open_bus(f"kafka://{topic.address}") as bus:
        before = process_time()
        task = asyncio.ensure_future(bus.run(router, group=f"{topic.name}.{limits is None}", backlog=limits))
        await over.wait()
        cpu = process_time() - before
        await bus.drain()
        await task
    return cpu, open_sockets


async def measure(address: str, messages: int) -> int:
    """Print the shares; 1 if one is above its limit."""
    async with filled(address, messages, keys=100) as topic:
        meter, without = Meter(), Meter()
        cpu, open_with = await consume(topic, messages, BacklogLimits(1_000, 30.0), meter)
        plain_cpu, open_without = await consume(topic, messages, None, without)
    share = meter.seconds / cpu
    print(f"{messages} messages, CPU {cpu:.2f} s watched, {plain_cpu:.2f} s unwatched")
    print(f"watching took {meter.seconds * 1000:.1f} ms in {meter.looks} steps: {share:.2%} of the CPU")
    print(f"sockets: {open_with} watched, {open_without} unwatched")
    return int(share > LIMIT or open_with > open_without)


def main() -> int:
    """Run it on the Kafka that PARTITA_TEST_KAFKA names."""
    parser = argparse.ArgumentParser("monitoring")
    parser.add_argument("--messages", type=int, default=100_000)
    return asyncio.run(measure(os.environ["PARTITA_TEST_KAFKA"], parser.parse_args().messages))


if __name__ == "__main__":
    sys.exit(main())
