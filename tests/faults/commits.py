"""What a group has committed, asked of the broker again and again by a client that is not under test."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
from aiokafka.admin import AIOKafkaAdminClient

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
        client: a started admin client.
        group: whose commits.
    """

    def __init__(self, client: AIOKafkaAdminClient, group: str) -> None:
        self._client, self.group = client, group
        self.answers: list[Committed] = []

    async def look(self) -> Committed:
        """Ask once."""
        found: Mapping[Any, Any] = await self._client.list_consumer_group_offsets(self.group)
        offsets = {at.partition: each.offset for at, each in found.items()}
        above = {at.partition: OffsetMap.decode(o.offset, o.metadata).finished for at, o in found.items()}
        self.answers.append(Committed(time.monotonic_ns(), offsets, above))
        return self.answers[-1]

    async def go_on(self) -> None:
        """Ask until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY)

    def sum(self) -> int:
        """Of the last answer: how many messages of a topic that begins at 0 lie below the commits."""
        return sum(self.answers[-1].offsets.values()) if self.answers else 0


@asynccontextmanager
async def watching(address: str, group: str) -> AsyncIterator[Watch]:
    """Ask for the commits of *group* as long as the block lasts."""
    client = AIOKafkaAdminClient(bootstrap_servers=address)
    await client.start()  # type: ignore[no-untyped-call]
    watch = Watch(client, group)
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


def not_covered(answers: Collection[Committed], done: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
    """The places among *done* that no answer said were finished."""
    return {place for place in done if not any(each.covers(*place) for each in answers)}
