"""What the contract runs on: a broker behind a few verbs, and an inbox for what handlers receive."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs

from partita import EventBus, open_bus

DEADLINE = 60.0


@attrs.frozen
class World:
    """
    One broker under test.

    Args:
        name: "memory", "kafka" or "nats".
        url: its address.
        restart: stops the server and starts it again on the same port and data; on memory there is
            no server, so nothing.
    """

    name: str
    url: str
    restart: Callable[[], Awaitable[None]] | None = None

    def bus(self) -> EventBus:
        """A bus that is not open."""
        return open_bus(self.url)

    @asynccontextmanager
    async def topic(self, partitions: int = 4) -> AsyncIterator[tuple[EventBus, str]]:
        """An open bus and a new topic of its own, deleted at the end."""
        async with self.topics(1, partitions) as (bus, topics):
            yield bus, topics[0]

    @asynccontextmanager
    async def topics(self, count: int, partitions: int = 4) -> AsyncIterator[tuple[EventBus, list[str]]]:
        """An open bus and new topics of its own, deleted at the end."""
        names = [f"contract.{uuid.uuid4().hex[:10]}" for _ in range(count)]
        async with open_bus(self.url) as bus:
            for name in names:
                await bus.create_topic(name, partitions=partitions)
            yield bus, names
            await bus.drain()
            for name in names:
                await bus.delete_topic(name)


@attrs.define
class Inbox:
    """What handlers have received, with a way to wait for it."""

    values: list[bytes | None] = attrs.field(factory=list)
    _changed: asyncio.Event = attrs.field(factory=asyncio.Event)

    def add(self, value: bytes | None) -> None:
        """A handler has received this."""
        self.values.append(value)
        self._changed.set()

    async def until(self, enough: Callable[[list[bytes | None]], bool]) -> None:
        """Wait until what was received is enough; fail after a minute."""
        async with asyncio.timeout(DEADLINE):
            while not enough(self.values):
                await self._changed.wait()
                self._changed.clear()

    async def holds(self, expected: set[bytes]) -> None:
        """Wait until each of *expected* was received at least once."""
        await self.until(lambda values: expected <= set(values))

    async def count(self, different: int) -> None:
        """Wait until this many different values were received."""
        await self.until(lambda values: len(set(values)) >= different)

    async def total(self, received: int) -> None:
        """Wait until this many values were received, repeated ones too."""
        await self.until(lambda values: len(values) >= received)
