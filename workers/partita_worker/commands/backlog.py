"""`worker backlog`: what waits for a group, as a table or as JSON, once or again and again."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence

import attrs

from partita import Backlog, BacklogLimits, EventBus
from partita_worker.connecting import broker_bus
from partita_worker.exits import ExitCode
from partita_worker.failures import UsageError

HEAD = ("PARTITION", "COMMITTED", "END", "LAG", "AGE", "STATE")
NUMBERS = range(1, 5)
# To the upper left corner, and all of the screen cleared.
CLEAR = "\x1b[H\x1b[2J"


def execute(arguments: argparse.Namespace) -> ExitCode:
    """
    Print what waits; the exit code says whether the group is behind.

    Raises:
        UsageError: no group is named.
        SettingsError: the broker knows nothing of the group and no topic is named.
        TopicMissing: there is no such topic.
        Exception: the client's own error.
    """
    group = arguments.named or arguments.group
    if not group:
        raise UsageError("name a consumer group: worker backlog GROUP")
    return asyncio.run(_execute(arguments, group))


async def _execute(arguments: argparse.Namespace, group: str) -> ExitCode:
    limits = BacklogLimits(arguments.max_lag, arguments.max_age)
    async with broker_bus(arguments.bus, "backlog") as bus:
        while True:
            found = await _look(bus, group, limits, arguments)
            _print(found, arguments.json, arguments.watch)
            if not arguments.watch:
                return ExitCode.BEHIND if found.behind else ExitCode.OK
            await asyncio.sleep(arguments.interval)


async def _look(bus: EventBus, group: str, limits: BacklogLimits, arguments: argparse.Namespace) -> Backlog:
    return await bus.check_backlog(
        group,
        max_lag=limits.max_lag,
        max_age=limits.max_age,
        topics=arguments.topics,
        start=arguments.start,
    )


def _print(found: Backlog, as_json: bool, again: bool) -> None:
    if as_json:
        print(json.dumps(fields_of(found)), flush=True)
        return
    if again and sys.stdout.isatty():
        sys.stdout.write(CLEAR)
    print("\n".join(lines_of(found)), flush=True)


def fields_of(found: Backlog) -> dict[str, object]:
    """What a script wants to know; seconds and messages, or null where something is not known."""
    return {
        "group": found.group,
        "behind": found.behind,
        "lag": found.lag,
        "age": round(found.age, 3),
        "rate_in": found.rate_in,
        "rate_out": found.rate_out,
        "time_to_drain": found.time_to_drain,
        "scale_helps": found.scale_helps,
        "members": found.members,
        "partitions": [attrs.asdict(each) for each in found.partitions],
    }


def lines_of(found: Backlog) -> Sequence[str]:
    """A table of the partitions, and a sentence."""
    rows = [
        (
            f"{each.topic}/{each.partition}",
            "-" if each.committed is None else str(each.committed),
            str(each.end),
            str(each.lag),
            f"{each.age:.1f} s" if each.lag else "-",
            each.state,
        )
        for each in found.partitions
    ]
    return [*table([HEAD, *rows]), sentence(found)]


def table(rows: Sequence[Sequence[str]]) -> Sequence[str]:
    """Columns as wide as their widest cell; numbers stand to the right below their heads."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if at in NUMBERS else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def sentence(found: Backlog) -> str:
    """How the group is, in words."""
    if not found.lag:
        return f"{found.group} has caught up"
    told = f"{found.group} is behind" if found.behind else f"{found.group} is not behind"
    messages = f"{found.lag} message{' waits' if found.lag == 1 else 's wait'}"
    parts = [f"{told}: {messages}, the oldest for {found.age:.1f} s"]
    if found.rate_in is not None and found.rate_out is not None:
        parts.append(f"{found.rate_in:.1f}/s come, {found.rate_out:.1f}/s go")
        drain = found.time_to_drain
        parts.append("which never ends" if drain is None else f"{drain:.0f} s to go")
    parts.append(f"more workers help: {found.scale_helps}")
    return "; ".join(parts)
