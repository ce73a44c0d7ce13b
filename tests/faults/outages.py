"""A worker process on a broker of its own, which is taken away, and what the worker does meanwhile."""

import asyncio
import json
import os
import threading
import time
from collections import Counter
from pathlib import Path

import attrs
from tests.workers.running import Running

from partita import open_bus

MODULE = """
import asyncio
from pathlib import Path

from partita import Message, Router

router = Router()


@router.handler("orders", order="none")
async def handle(message: Message) -> None:
    print("took", message.value.decode(), flush=True)
    while message.value == b"late" and not Path("go").exists():
        await asyncio.sleep(0.02)
    print("handled", message.value.decode(), flush=True)
"""
TICKS = os.sysconf("SC_CLK_TCK")


@attrs.frozen
class Meanwhile:
    """
    What a worker did for a while.

    Args:
        share: of one processor that it has used.
        lines: the most log lines of one cause within a second.
        cause: which.
    """

    share: float
    lines: int
    cause: str


def cpu_seconds(pid: int) -> float:
    """What a process has used of its processors, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def watch(worker: Running, seconds: float) -> Meanwhile:
    """Watch a worker that logs as JSON."""
    pid, before, first = worker.process.pid, cpu_seconds(worker.process.pid), len(worker.lines)
    began = time.monotonic()
    # Nothing is waited for but the time itself.
    threading.Event().wait(seconds)
    share = (cpu_seconds(pid) - before) / (time.monotonic() - began)
    causes: Counter[tuple[str, str, str]] = Counter()
    for line in worker.lines[first:]:
        told = json.loads(line) if line.startswith("{") else {}
        if told:
            # The kind of a line is its text without numbers, whole seconds its time.
            kind = "".join(each for each in told["event"] if not each.isdigit())
            causes[told["time"][:19], told["logger"], kind] += 1
    (cause, lines), *_ = causes.most_common(1) or [(("", "", ""), 0)]
    return Meanwhile(share, lines, " ".join(cause))


def publish(url: str, *values: bytes, create: bool = False) -> None:
    """Publish to the worker's topic, as soon as that is possible."""

    async def scenario() -> None:
        async with open_bus(url) as bus:
            if create:
                await bus.create_topic("orders")
            for value in values:
                await bus.publish("orders", value)

    asyncio.run(scenario())
