"""`worker tail`: print the messages of a topic, each value and a newline."""

import argparse
import asyncio
import sys
import uuid
from typing import BinaryIO

from partita import Message
from partita_worker.connecting import broker_bus, check_topic
from partita_worker.exits import ExitCode


def execute(arguments: argparse.Namespace) -> ExitCode:
    """
    Print until enough were printed, the reader has gone, or Ctrl-C.

    Raises:
        TopicMissing: there is no such topic.
        Exception: the client's own error.
    """
    try:
        asyncio.run(_execute(arguments))
    except KeyboardInterrupt:
        # How a tail without --max is meant to end.
        return ExitCode.OK
    return ExitCode.OK


class Printer:
    """
    Writes messages until there were enough.

    Args:
        output: takes the bytes.
        limit: how many messages; None: no limit.
        verbose: whether a line begins with where the message is.
    """

    def __init__(self, output: BinaryIO, limit: int | None, verbose: bool) -> None:
        self.done = asyncio.Event()
        self.reader_left: BrokenPipeError | None = None
        self._output, self._left, self._verbose = output, limit, verbose

    def write(self, message: Message) -> None:
        """Print one message; what comes after the last one is dropped."""
        if self.done.is_set():
            return
        try:
            write_all(self._output, line_of(message, self._verbose))
        except BrokenPipeError as error:
            self.reader_left = error
            self.done.set()
            return
        if self._left is not None:
            self._left -= 1
        if self._left == 0:
            self.done.set()


def write_all(output: BinaryIO, data: bytes) -> None:
    """Write every byte and flush. With PYTHONUNBUFFERED standard output takes what fits and says how much."""
    rest = memoryview(data)
    while rest:
        rest = rest[output.write(rest) :]
    output.flush()


def line_of(message: Message, verbose: bool) -> bytes:
    """The value and a newline; a null value is an empty line."""
    value = message.value or b""
    if not verbose:
        return value + b"\n"
    where = f"{message.topic}/{message.partition}@{message.offset}\t".encode()
    return where + (message.key or b"") + b"\t" + value + b"\n"


async def _execute(arguments: argparse.Namespace) -> None:
    printer = Printer(sys.stdout.buffer, arguments.max, arguments.verbose)

    async def print_message(message: Message) -> None:
        printer.write(message)

    async with broker_bus(arguments.bus, "tail") as bus:
        await check_topic(bus, arguments.topic)
        subscription = await bus.subscribe(
            arguments.topic,
            print_message,
            # A name of its own: it shares the messages with nobody and takes none from anybody.
            group=f"partita-tail-{uuid.uuid4().hex[:12]}",
            start="earliest" if arguments.from_beginning else "latest",
        )
        await printer.done.wait()
        await subscription.drain()
    if printer.reader_left is not None:
        raise printer.reader_left
