"""Publish the lines of a file, byte for byte, with a progress bar on a terminal and silence in a pipe."""

import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import anyio.to_thread
import attrs

from partita import Delivery, EventBus, MessageTooLarge

WINDOW = 1000
CHUNK_BYTES = 256 * 1024


@attrs.frozen
class Feed:
    """
    A file whose lines go to a topic.

    Args:
        topic: where to.
        path: the file; "-" is standard input.
    """

    topic: str
    path: str


def parse_feed(text: str) -> Feed:
    """
    Read `TOPIC=FILE`.

    Raises:
        ValueError: it is not of that form.
    """
    topic, equals, path = text.partition("=")
    if not (topic and equals and path):
        raise ValueError(f"--feed {text!r}: give TOPIC=FILE, or TOPIC=- for standard input")
    return Feed(topic, path)


@asynccontextmanager
async def opened(path: str) -> AsyncIterator[BinaryIO]:
    """The bytes of a file, or of standard input for "-". Raises OSError."""
    if path == "-":
        yield sys.stdin.buffer
        return
    with Path(path).open("rb") as file:  # noqa: ASYNC230 - opening is quick; reading is done in a thread
        yield file


def size_of(path: str) -> int:
    """The size of a file in bytes; 0 for standard input, where nobody knows. Raises OSError."""
    return 0 if path == "-" else Path(path).stat().st_size


async def lines_of(file: BinaryIO) -> AsyncIterator[Sequence[bytes]]:
    """
    The lines of a file, some at a time. Exactly one newline is taken off the end of each.

    A last line without a newline counts; an empty file has no line.
    """
    while chunk := await anyio.to_thread.run_sync(file.readlines, CHUNK_BYTES):
        yield [line.removesuffix(b"\n") for line in chunk]


class Progress:
    """
    A bar on a terminal; nothing anywhere else.

    Args:
        label: what is counted.
        total: bytes in all; 0 when that is not known.
    """

    def __init__(self, label: str, total: int) -> None:
        self._label, self._total = label, total
        self._bytes = self._count = 0
        self._shown = sys.stderr.isatty()

    def add(self, lines: Sequence[bytes]) -> None:
        """These lines were sent."""
        self._count += len(lines)
        self._bytes += sum(len(line) + 1 for line in lines)
        if self._shown:
            sys.stderr.write("\r" + progress_line(self._label, self._count, self._bytes, self._total))
            sys.stderr.flush()

    def end(self) -> None:
        """Leave the bar as it stands."""
        if self._shown:
            sys.stderr.write("\n")


def progress_line(label: str, count: int, done: int, total: int) -> str:
    """One line: a bar of 30 places when the total is known, and the count."""
    if total <= 0:
        return f"{label}: {count} lines"
    share = min(done / total, 1.0)
    return f"{label} [{'#' * round(share * 30):30}] {share:4.0%} {count} lines"


async def feed(bus: EventBus, source: Feed, refused: Callable[[str], None]) -> int:
    """
    Publish every line; returns how many were not taken.

    A line that is above the broker's limit is told to *refused* with its number, and all others still go.

    Raises:
        OSError: the file cannot be read.
        TopicMissing: the topic does not exist.
        Exception: the client's own error.
    """
    async with opened(source.path) as file:
        progress = Progress(f"feeding {source.topic}", size_of(source.path))
        window = Window(refused)
        async for lines in lines_of(file):
            for line in lines:
                await window.add(bus.send(source.topic, line))
            progress.add(lines)
        await window.settle()
        progress.end()
        return window.failures


class Window:
    """
    Deliveries under way, at most 1,000, awaited in the order they were sent.

    Args:
        refused: told of each line that was too large.
    """

    def __init__(self, refused: Callable[[str], None]) -> None:
        self.failures = 0
        self._refused = refused
        self._number = 0
        self._under_way: deque[Delivery] = deque()

    async def add(self, delivery: Delivery) -> None:
        """Take on one more; waits for the oldest when the window is full."""
        self._under_way.append(delivery)
        if len(self._under_way) >= WINDOW:
            await self._oldest()

    async def settle(self) -> None:
        """Wait for all."""
        while self._under_way:
            await self._oldest()

    async def _oldest(self) -> None:
        self._number += 1
        try:
            await self._under_way.popleft()
        except MessageTooLarge as error:
            self.failures += 1
            self._refused(f"line {self._number}: {error}")
