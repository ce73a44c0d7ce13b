"""`worker topics`: list, describe, create and delete."""

import argparse
import asyncio
import json

import attrs

from partita import EventBus, SettingsError, TopicMissing
from partita_worker.connecting import broker_bus, refusals_told
from partita_worker.exits import ExitCode
from partita_worker.failures import UsageError


def execute(arguments: argparse.Namespace) -> ExitCode:
    """
    Do what the verb says.

    Raises:
        UsageError: a name cannot be used, or is in use already.
        TopicMissing: there is nothing to delete.
        Exception: the client's own error.
    """
    asyncio.run(_execute(arguments))
    return ExitCode.OK


async def _execute(arguments: argparse.Namespace) -> None:
    async with broker_bus(arguments.bus, f"topics {arguments.verb}") as bus:
        match arguments.verb:
            case "create":
                await create(bus, arguments)
            case "describe":
                await describe(bus, arguments.topic, as_json=arguments.json)
            case "delete":
                await delete(bus, arguments.topic)
            case _:
                for name, partitions in sorted((await bus.list_topics()).items()):
                    print(f"{name}  {counted(partitions)}")


async def describe(bus: EventBus, topic: str, *, as_json: bool) -> None:
    """Print a topic. Raises UsageError when there is none, or the client's own error."""
    try:
        with refusals_told(bus, f"describe the topic {topic!r}"):
            found = await bus.describe_topic(topic)
    except TopicMissing as error:
        raise UsageError(f"there is no topic {topic!r}; 'worker topics list' shows all") from error
    if as_json:
        print(json.dumps(attrs.asdict(found)))
        return
    print(f"{topic}  {counted(len(found.partitions))}")
    for name, value in sorted(found.configs.items()):
        print(f"{name}={value}")
    for each in found.partitions:
        offsets = f"{topic}/{each.partition}  offsets {each.earliest} to {each.latest}"
        if not each.replicas:
            print(offsets)  # a single NATS server has no name for itself
            continue
        copies = f"replicas {' '.join(each.replicas)}, in sync {' '.join(each.in_sync) or 'none'}"
        print(f"{offsets}, leader {each.leader or 'none'}, {copies}")


async def create(bus: EventBus, arguments: argparse.Namespace) -> None:
    """Make a topic. Raises UsageError, BrokerRefused, or the client's own error."""
    topic, partitions = arguments.topic, arguments.partitions
    if topic in await bus.list_topics():
        raise UsageError(f"there is a topic {topic!r} already; 'worker topics list' shows all")
    try:
        with refusals_told(bus, f"make the topic {topic!r}"):
            await bus.create_topic(
                topic,
                partitions=partitions,
                replication=arguments.replication,
                configs=dict(arguments.configs),
            )
    except SettingsError as error:
        raise UsageError(str(error)) from error
    print(f"created {topic} with {counted(partitions)}")


async def delete(bus: EventBus, topic: str) -> None:
    """Delete a topic. Raises TopicMissing, BrokerRefused, or the client's own error."""
    try:
        with refusals_told(bus, f"delete the topic {topic!r}"):
            await bus.delete_topic(topic)
    except TopicMissing as error:
        raise UsageError(f"there is no topic {topic!r}; 'worker topics list' shows all") from error
    print(f"deleted {topic}")


def counted(partitions: int) -> str:
    """A number of partitions in words."""
    return f"{partitions} partition{'' if partitions == 1 else 's'}"
