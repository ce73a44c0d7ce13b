"""Worker processes under test, and the log that their handlers write: one line per handled message."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import attrs

from partita import Outgoing, open_bus

MODULE = """
import os

from partita import Message, Router

router = Router()
log = os.open(os.environ["HANDLED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


@router.handler(os.environ["TOPIC"])
async def handle(message: Message) -> None:
    # One write per line: a line is whole, or absent, also after kill -9.
    os.write(log, b"%d %d %d\\n" % (os.getpid(), message.partition, message.offset))
"""
DEADLINE = 120.0


@attrs.frozen
class Handled:
    """One line of the log."""

    pid: int
    partition: int
    offset: int


@attrs.define
class Fleet:
    """
    Workers that share one topic and one group.

    Args:
        folder: where the module and the log are.
        url: the bus, with client options.
        topic: what they read.
    """

    folder: Path
    url: str
    topic: str = attrs.field(factory=lambda: f"fleet.{uuid.uuid4().hex[:10]}")
    workers: list[subprocess.Popen[str]] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        (self.folder / "fleet_module.py").write_text(MODULE)
        self.log.touch()

    @property
    def log(self) -> Path:
        """The file that the handlers write."""
        return self.folder / "handled"

    def create(self, partitions: int = 4) -> None:
        """Make the topic."""

        async def scenario() -> None:
            async with open_bus(self.url.partition("?")[0]) as bus:
                await bus.create_topic(self.topic, partitions=partitions)

        asyncio.run(scenario())

    def publish(self, count: int) -> None:
        """Publish this many messages, over all partitions."""

        async def scenario() -> None:
            async with open_bus(self.url.partition("?")[0]) as bus:
                for start in range(0, count, 1000):
                    numbers = range(start, min(start + 1000, count))
                    await bus.publish_batch(self.topic, [Outgoing(b"%d" % n, key=b"%d" % n) for n in numbers])

        asyncio.run(scenario())

    def start(self, *flags: str) -> subprocess.Popen[str]:
        """Start a worker."""
        worker = subprocess.Popen(
            [sys.executable, "-m", "partita_worker", "run", "fleet_module:router", *flags,
             "--bus", self.url, "--group", f"{self.topic}.group"],
            cwd=self.folder,
            env={**os.environ, "HANDLED": str(self.log), "TOPIC": self.topic},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        self.workers.append(worker)
        return worker

    @property
    def handled(self) -> list[Handled]:
        """The whole lines of the log so far."""
        text = self.log.read_text()
        whole = text[: text.rfind("\n") + 1]
        return [Handled(*map(int, line.split())) for line in whole.splitlines()]

    def lines(self) -> int:
        """How many lines the log has."""
        return self.log.read_bytes().count(b"\n")

    def pids(self) -> set[int]:
        """Which workers have handled something."""
        return {each.pid for each in self.handled}

    @property
    def repeats(self) -> int:
        """How many handler calls were for a message that had been handled before."""
        places = Counter((each.partition, each.offset) for each in self.handled)
        return sum(places.values()) - len(places)

    def close(self) -> None:
        """End what still runs."""
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGKILL)
            worker.communicate()


def wait_until(condition: Callable[[], bool], what: str, seconds: float = DEADLINE) -> None:
    """Wait for a condition; fail, saying what was waited for."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)


def end_of(worker: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code and output of a worker that is about to end."""
    output, _ = worker.communicate(timeout=DEADLINE)
    return worker.returncode, output
