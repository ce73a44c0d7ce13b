"""A bus at work, whose connections are counted meanwhile: publishing, a group, and all that watches it."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
from tests.faults.sockets import connections

from partita import EventBus, open_bus


@attrs.define
class Load:
    """
    Publishes to a topic and handles it, until the block ends.

    Attributes:
        most: the most connections that were open at once at any look.
        handled: messages so far.
        going: while it is not set nothing is published.
    """

    bus: EventBus
    topic: str
    group: str
    port: int
    most: int = 0
    handled: int = 0
    going: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def publish(self) -> None:
        """Keep a hundred messages under way; a broker that is away is waited for."""
        while await self.going.wait():
            try:
                await self.bus.publish_batch(self.topic, [b"x" * 100] * 100)
            except Exception:  # noqa: BLE001 - it may have been killed; what is counted is sockets
                await asyncio.sleep(0.02)

    async def watch(self) -> None:
        """Look at the sockets all the time."""
        while True:
            self.most = max(self.most, connections(self.port))
            await asyncio.sleep(0.02)

    async def ask(self) -> None:
        """Everything that asks the broker something, at once."""
        await asyncio.gather(
            self.bus.health_check(),
            self.bus.check_backlog(self.group),
            self.bus.describe_group(self.group),
            self.bus.describe_topic(self.topic),
            self.bus.list_topics(),
        )

    async def goes_on(self, messages: int = 500) -> None:
        """Wait until so many more are handled; fails after a minute."""
        goal = self.handled + messages
        async with asyncio.timeout(60):
            while self.handled < goal:
                await asyncio.sleep(0.02)

    async def handle(self, value: bytes) -> None:
        """Count."""
        self.handled += 1


@asynccontextmanager
async def load(url: str, port: int) -> AsyncIterator[Load]:
    """A bus at work on a topic of its own."""
    async with open_bus(url) as bus:
        made = Load(bus, f"sockets.{uuid.uuid4().hex[:10]}", uuid.uuid4().hex[:10], port)
        made.going.set()
        await bus.create_topic(made.topic, partitions=4)
        await bus.subscribe(made.topic, made.handle, group=made.group)
        tasks = [asyncio.create_task(each) for each in (made.publish(), made.watch())]
        yield made
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await bus.drain()
        await bus.delete_topic(made.topic)
