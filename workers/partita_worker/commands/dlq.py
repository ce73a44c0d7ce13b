"""`worker dlq`: list, show and replay dead letters."""

import argparse
import asyncio
import sys
from contextlib import aclosing

from partita import DeadLetters, EventBus, ReplaySummary
from partita_worker.commands.tail import write_all
from partita_worker.connecting import broker_bus, check_topic
from partita_worker.exits import ExitCode
from partita_worker.failures import UsageError
from partita_worker.letters import json_of, line_of, paragraphs_of
from partita_worker.verdicts import described


def execute(arguments: argparse.Namespace) -> ExitCode:
    """
    Do what the verb says.

    Raises:
        UsageError: there is no such letter, or letters would go where they are.
        TopicMissing: there is no such topic.
        Exception: the client's own error.
    """
    return asyncio.run(_execute(arguments))


async def _execute(arguments: argparse.Namespace) -> ExitCode:
    topic = arguments.place[0] if arguments.verb == "show" else arguments.topic
    async with broker_bus(arguments.bus, f"dlq {arguments.verb}") as bus:
        await check_topic(bus, topic)
        letters = bus.dead_letters(topic)
        match arguments.verb:
            case "list":
                await list_letters(letters, arguments.max, arguments.json)
            case "show":
                await show(letters, *arguments.place[1:])
            case _:
                return await replay(bus, letters, arguments)
    return ExitCode.OK


async def list_letters(letters: DeadLetters, limit: int | None, as_json: bool) -> None:
    """Print a line for each letter, at most *limit*. Nothing of the messages themselves is printed."""
    count = 0
    async with aclosing(letters.read()) as found:
        async for letter in found:
            print(json_of(letter) if as_json else line_of(letter), flush=True)
            count += 1
            if count == limit:
                return


async def show(letters: DeadLetters, partition: int, offset: int) -> None:
    """Print one letter and, after a blank line, the value of its message, byte for byte."""
    letter = await letters.find(partition, offset)
    if letter is None:
        raise UsageError(
            f"there is no dead letter at {letters.topic}/{partition}@{offset}; "
            f"'worker dlq list {letters.topic}' shows all"
        )
    sys.stdout.write(paragraphs_of(letter))
    sys.stdout.flush()
    if letter.message.value is not None:
        write_all(sys.stdout.buffer, b"\n" + letter.message.value + b"\n")


async def replay(bus: EventBus, letters: DeadLetters, arguments: argparse.Namespace) -> ExitCode:
    """Publish letters again, and say what became of them."""
    if arguments.to is not None:
        await check_topic(bus, arguments.to)
        if arguments.to == letters.topic:
            raise UsageError(f"--to {arguments.to}: these dead letters are in that topic already")
    progress = ReplayProgress(f"replaying {letters.topic}")
    summary = await letters.replay(
        watch=progress.show,
        handler=arguments.handler,
        error=arguments.error,
        max_replays=arguments.max_replays,
        rate=arguments.rate,
        dry_run=arguments.dry_run,
        stop_after_failures=arguments.stop_after_failures,
        to=arguments.to,
    )
    progress.end()
    print(told(summary, arguments.dry_run))
    for text in dict.fromkeys(described(error) for error in summary.errors):
        print(f"worker: not replayed: {text}", file=sys.stderr)
    return ExitCode.FAILED_MESSAGES if summary.failed else ExitCode.OK


def told(summary: ReplaySummary, dry_run: bool) -> str:
    """A summary in words."""
    letters = f"{summary.replayed} dead letter{'' if summary.replayed == 1 else 's'}"
    parts = [f"would replay {letters}" if dry_run else f"replayed {letters}"]
    if summary.left:
        parts.append(f"left {summary.left}")
    if summary.refused:
        parts.append(f"refused {summary.refused} that were replayed too often already (--max-replays)")
    if summary.failed:
        parts.append(f"failed {summary.failed}")
    return ", ".join(parts)


class ReplayProgress:
    """
    A bar on a terminal; nothing anywhere else.

    Args:
        label: what is done.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._at = -1
        self._shown = sys.stderr.isatty()

    def show(self, done: int, total: int) -> None:
        """So many are done; written again when the percentage has changed."""
        percent = done * 100 // max(total, 1)
        if self._shown and percent != self._at:
            self._at = percent
            sys.stderr.write("\r" + progress_line(self._label, done, total))
            sys.stderr.flush()

    def end(self) -> None:
        """Leave the bar as it stands."""
        if self._shown and self._at >= 0:
            sys.stderr.write("\n")


def progress_line(label: str, done: int, total: int) -> str:
    """One line: a bar of 30 places, and the count."""
    share = done / max(total, 1)
    return f"{label} [{'#' * round(share * 30):30}] {share:4.0%} {done} of {total}"
