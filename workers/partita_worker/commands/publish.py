"""`worker publish`: one message per line of a file or of standard input, byte for byte."""

import argparse
import asyncio
import os
import sys

from partita import EventBus
from partita_worker.connecting import broker_bus, check_topic
from partita_worker.exits import ExitCode
from partita_worker.feed import Progress, Window, lines_of, opened, size_of


def execute(arguments: argparse.Namespace) -> ExitCode:
    """
    Publish every line; one that is too large for the broker is named, and all others still go.

    Raises:
        OSError: the file cannot be read.
        TopicMissing: there is no such topic.
        Exception: the client's own error.
    """
    return asyncio.run(_execute(arguments))


async def _execute(arguments: argparse.Namespace) -> ExitCode:
    async with broker_bus(arguments.bus, "publish") as bus:
        await check_topic(bus, arguments.topic)
        published, refused = await publish_lines(bus, arguments)
    print(f"published {published} {'message' if published == 1 else 'messages'} to {arguments.topic}")
    return ExitCode.FAILED_MESSAGES if refused else ExitCode.OK


async def publish_lines(bus: EventBus, arguments: argparse.Namespace) -> tuple[int, int]:
    """Publish the lines of a file; returns how many went and how many were refused."""
    separator = os.fsencode(arguments.key_separator or "")
    progress = Progress(f"publishing to {arguments.topic}", size_of(arguments.file))
    window = Window(_tell)
    count = 0
    async with opened(arguments.file) as file:
        async for lines in lines_of(file):
            for line in lines:
                key, value = split_key(line, separator)
                await window.add(bus.send(arguments.topic, value, key=key, headers=arguments.headers))
            count += len(lines)
            progress.add(lines)
    await window.settle()
    progress.end()
    return count - window.failures, window.failures


def split_key(line: bytes, separator: bytes) -> tuple[bytes | None, bytes]:
    """The key that stands before the first separator, and the rest; no separator, no key."""
    if not separator:
        return None, line
    key, found, value = line.partition(separator)
    return (key, value) if found else (None, line)


def _tell(line: str) -> None:
    print(f"worker: {line}", file=sys.stderr)
