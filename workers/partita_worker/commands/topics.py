"""`worker topics`: list, create and delete."""

import argparse
import asyncio

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
                await create(bus, arguments.topic, arguments.partitions, arguments.replication)
            case "delete":
                await delete(bus, arguments.topic)
            case _:
                for name, partitions in sorted((await bus.list_topics()).items()):
                    print(f"{name}  {counted(partitions)}")


async def create(bus: EventBus, topic: str, partitions: int, replication: int) -> None:
    """Make a topic. Raises UsageError, BrokerRefused, or the client's own error."""
    if topic in await bus.list_topics():
        raise UsageError(f"there is a topic {topic!r} already; 'worker topics list' shows all")
    try:
        with refusals_told(bus, f"make the topic {topic!r}"):
            await bus.create_topic(topic, partitions=partitions, replication=replication)
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
