"""Publish the lines of a file, byte for byte, with a progress bar on a terminal and silence in a pipe."""

import asyncio
import os
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import attrs

from partita import Delivery, EventBus, MessageTooLarge

WINDOW = 1000
CHUNK_BYTES = 256 * 1024
CHUNKS_AHEAD = 4


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
    The lines of a file, some at a time and as soon as they are there. Exactly one newline is taken off each.

    A last line without a newline counts; an empty file has no line. Raises OSError.
    """
    pending: list[bytes] = []
    async for chunk in chunks_of(file):
        *whole, rest = chunk.split(b"\n")
        if whole:
            whole[0] = b"".join([*pending, whole[0]])
            pending = []
            yield whole
        if rest:
            pending.append(rest)
    if pending:
        yield [b"".join(pending)]


async def chunks_of(file: BinaryIO) -> AsyncIterator[bytes]:
    """What a file holds, as it comes, at most four chunks ahead. Raises OSError."""
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes | OSError] = asyncio.Queue()
    room = threading.Semaphore(CHUNKS_AHEAD)
    # A thread of our own that the process does not wait for: the read of a pipe to which nobody writes
    # cannot be ended. And the bare descriptor, whose lock no other thread will want at the end.
    threading.Thread(target=_read, args=(file.fileno(), room, loop, chunks), daemon=True).start()
    while chunk := await chunks.get():
        room.release()
        if isinstance(chunk, OSError):
            raise chunk
        yield chunk


def _read(
    number: int,
    room: threading.Semaphore,
    loop: asyncio.AbstractEventLoop,
    chunks: "asyncio.Queue[bytes | OSError]",
) -> None:
    chunk: bytes | OSError = b"more"
    while chunk and isinstance(chunk, bytes):
        room.acquire()
        try:
            chunk = os.read(number, CHUNK_BYTES)
        except OSError as error:
            chunk = error
        try:
            loop.call_soon_threadsafe(chunks.put_nowait, chunk)
        except RuntimeError:
            return  # the loop has ended meanwhile, so nobody reads on


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
