"""`worker groups`: list, describe and reset."""

import argparse
import asyncio
import json
from collections.abc import Sequence

import attrs

from partita import EventBus, GroupDescription, OffsetReset, SettingsError, TopicMissing
from partita_worker.connecting import broker_bus, refusals_told
from partita_worker.exits import ExitCode
from partita_worker.failures import BrokerRefused, UsageError
from partita_worker.verdicts import described


def execute(arguments: argparse.Namespace) -> ExitCode:
    """
    Do what the verb says.

    Raises:
        UsageError: there is no such group or topic, or the group is live.
        BrokerRefused: the broker did not do it, or not for every partition.
        Exception: the client's own error.
    """
    asyncio.run(_execute(arguments))
    return ExitCode.OK


async def _execute(arguments: argparse.Namespace) -> None:
    async with broker_bus(arguments.bus, f"groups {arguments.verb}") as bus:
        try:
            with refusals_told(bus, f"{arguments.verb} groups"):
                await _do(bus, arguments)
        except (SettingsError, TopicMissing) as error:
            raise UsageError(str(error)) from error


async def _do(bus: EventBus, arguments: argparse.Namespace) -> None:
    match arguments.verb:
        case "describe":
            await describe(bus, arguments)
        case "reset":
            await reset(bus, arguments)
        case _:
            await list_all(bus, as_json=arguments.json)


async def list_all(bus: EventBus, *, as_json: bool) -> None:
    """Print each group with its state."""
    for name, state in (await bus.list_groups()).items():
        print(json.dumps({"group": name, "state": state}) if as_json else f"{name}  {state}")


async def describe(bus: EventBus, arguments: argparse.Namespace) -> None:
    """Print one group. Raises UsageError when nothing is known of it."""
    found = await bus.describe_group(arguments.name, topics=arguments.topics)
    if found.state == "dead" and not any(each.committed is not None for each in found.partitions):
        raise UsageError(f"there is no group {arguments.name!r}; 'worker groups list' shows all")
    if arguments.json:
        print(json.dumps(attrs.asdict(found)))
        return
    for line in lines_of(found):
        print(line)


def lines_of(found: GroupDescription) -> Sequence[str]:
    """A group in words: the members, then the partitions."""
    members = "" if found.members is None else f", {_counted(len(found.members), 'member')}"
    lines = [f"{found.group}  {found.state}{members}"]
    for member in found.members or ():
        host = f" at {member.host}" if member.host else ""
        lines.append(f"{member.id}{host}: {' '.join(map(str, member.partitions)) or 'nothing'}")
    for each in found.partitions:
        committed = "nothing committed" if each.committed is None else f"committed {each.committed}"
        lines.append(f"{each.topic}/{each.partition}  {committed} of {each.latest}, lag {each.lag}")
    return lines


async def reset(bus: EventBus, arguments: argparse.Namespace) -> None:
    """
    Move a group, and print what that changes.

    Raises:
        BrokerRefused: a partition was left as it was; the others are moved.
    """
    to = arguments.to_time
    if arguments.to_earliest or arguments.to_latest:
        to = "earliest" if arguments.to_earliest else "latest"
    done = await bus.reset_offsets(
        arguments.name, arguments.topics, to=to, shift=arguments.shift, dry_run=arguments.dry_run
    )
    for each in done:
        print(json.dumps(_fields(each)) if arguments.json else _line(each, arguments.dry_run))
    left = [each for each in done if each.error is not None]
    if left:
        raise BrokerRefused(f"{_counted(len(left), 'partition')} of {arguments.name!r} stayed where it was")


def _line(each: OffsetReset, dry_run: bool) -> str:
    before = "nothing" if each.before is None else each.before
    at = f"{each.topic}/{each.partition}"
    if each.error is not None:
        return f"{at}  stays at {before}: {described(each.error)}"
    return f"{at}  {'would go' if dry_run else 'went'} from {before} to {each.after}"


def _fields(each: OffsetReset) -> dict[str, object]:
    error = None if each.error is None else described(each.error)
    return {**attrs.asdict(each), "error": error}


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
