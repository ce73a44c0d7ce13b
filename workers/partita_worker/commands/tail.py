"""`worker tail`: print the messages of a topic, each value and a newline."""

import argparse
import asyncio
import sys
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import BinaryIO, Literal

from partita import EventBus, Message
from partita_worker.connecting import broker_bus, check_topic
from partita_worker.exits import ExitCode
from partita_worker.verdicts import described


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
        line_of: what is printed of one.
    """

    def __init__(self, output: BinaryIO, limit: int | None, line_of: Callable[[Message], bytes]) -> None:
        self.done = asyncio.Event()
        self.reader_left: BrokenPipeError | None = None
        self._output, self._left, self._line_of = output, limit, line_of

    def write(self, message: Message) -> None:
        """Print one message; what comes after the last one is dropped."""
        if self.done.is_set():
            return
        try:
            write_all(self._output, self._line_of(message))
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


def line_of(message: Message, *, verbose: bool = False, headers: Sequence[str] = ()) -> bytes:
    """
    The value and a newline; a null value is an empty line.

    Args:
        message: what to print.
        verbose: begin with where it is and its key, a tab behind each.
        headers: names of headers to print before the value, as NAME=VALUE and a tab; each as often as it is
            there.
    """
    line = message.value or b""
    for wanted in reversed(headers):
        there = [value for name, value in message.headers if name == wanted]
        line = b"".join(b"%s=%s\t" % (wanted.encode(), value) for value in there) + line
    if verbose:
        where = f"{message.topic}/{message.partition}@{message.offset}\t".encode()
        line = where + (message.key or b"") + b"\t" + line
    return line + b"\n"


async def _execute(arguments: argparse.Namespace) -> None:
    wanted = partial(line_of, verbose=arguments.verbose, headers=arguments.headers)
    printer = Printer(sys.stdout.buffer, arguments.max, wanted)

    async def print_message(message: Message) -> None:
        printer.write(message)

    async with broker_bus(arguments.bus, "tail") as bus:
        await check_topic(bus, arguments.topic)
        # A name of its own: it shares the messages with nobody and takes none from anybody.
        group = f"partita-tail-{uuid.uuid4().hex[:12]}"
        start: Literal["earliest", "latest"] = "earliest" if arguments.from_beginning else "latest"
        try:
            if arguments.since is not None:
                await bus.reset_offsets(group, [arguments.topic], to=arguments.since)
            subscription = await bus.subscribe(arguments.topic, print_message, group=group, start=start)
            await printer.done.wait()
            await subscription.drain()
        finally:
            # Also after Ctrl-C, which is a cancellation here: the broker would keep the group for days.
            await bus.drain()
            await _forget(bus, group)
    if printer.reader_left is not None:
        raise printer.reader_left


async def _forget(bus: EventBus, group: str) -> None:
    try:
        await bus.delete_group(group)
    except Exception as error:  # noqa: BLE001 - the messages are printed; that something stays behind is told
        print(f"worker: the group {group} stays at the broker: {described(error)}", file=sys.stderr)
