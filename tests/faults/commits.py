"""What a group has committed, asked of the broker again and again by a client that is not under test."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import attrs
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from partita.core.finished import Finished
from partita.core.offset_map import OffsetMap

EVERY = 0.03  # seconds


@attrs.frozen
class Committed:
    """
    One answer of the broker.

    Args:
        at: when the answer was here, nanoseconds of the monotonic clock.
        offsets: the committed offset of each partition.
        above: what the map of each says is finished above it.
    """

    at: int
    offsets: Mapping[int, int]
    above: Mapping[int, Finished]

    def covers(self, partition: int, offset: int) -> bool:
        """Whether this says that a message is finished."""
        known = self.above.get(partition, Finished())
        return offset < self.offsets.get(partition, 0) or offset in known


class Watch:
    """
    Asks for the commits of one group.

    Args:
        address: HOST:PORT of Kafka.
        client: a started admin client of it.
        group: whose commits.
    """

    def __init__(self, address: str, client: AIOKafkaAdminClient, group: str) -> None:
        self._address, self._client, self.group = address, client, group
        self.answers: list[Committed] = []

    async def look(self) -> Committed:
        """Ask once."""
        found: Mapping[Any, Any] = await self._client.list_consumer_group_offsets(self.group)
        offsets = {at.partition: each.offset for at, each in found.items()}
        above = {at.partition: OffsetMap.decode(o.offset, o.metadata).finished for at, o in found.items()}
        self.answers.append(Committed(time.monotonic_ns(), offsets, above))
        return self.answers[-1]

    async def go_on(self) -> None:
        """Ask until cancelled; a broker that is away, or knows of no group yet, is asked again."""
        while True:
            with contextlib.suppress(KafkaError):
                await self.look()
            await asyncio.sleep(EVERY)

    async def set_back(self, topic: str, partitions: int) -> None:
        """Commit 0 for each partition, as an operator does while nobody is in the group."""
        at_first = {TopicPartition(topic, n): OffsetAndMetadata(0, "") for n in range(partitions)}
        # The admin client cannot do it (aiokafka 0.14).
        made: Any = AIOKafkaConsumer
        consumer = made(bootstrap_servers=self._address, group_id=self.group, enable_auto_commit=False)
        await consumer.start()
        consumer.assign(list(at_first))
        await consumer.commit(at_first)
        await consumer.stop()
        await self.look()

    def sum(self) -> int:
        """Of the last answer: how many messages of a topic that begins at 0 lie below the commits."""
        return sum(self.answers[-1].offsets.values()) if self.answers else 0


@asynccontextmanager
async def watching(address: str, group: str) -> AsyncIterator[Watch]:
    """Ask for the commits of *group* as long as the block lasts."""
    client = AIOKafkaAdminClient(bootstrap_servers=address, request_timeout_ms=5_000)
    await client.start()  # type: ignore[no-untyped-call]
    watch = Watch(address, client, group)
    task = asyncio.ensure_future(watch.go_on())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.close()  # type: ignore[no-untyped-call]


def never_back(answers: Iterable[Committed]) -> None:
    """No committed offset ever decreases."""
    highest: dict[int, int] = {}
    for answer in answers:
        for partition, offset in answer.offsets.items():
            assert offset >= highest.get(partition, 0), f"{partition}: from {highest[partition]} to {offset}"
            highest[partition] = offset


def begun(answers: Sequence[Committed]) -> list[int]:
    """For each commit a time before which it was not there: that of the last answer without it."""
    return [old.at for old, new in pairwise(answers) if (old.offsets, old.above) != (new.offsets, new.above)]
