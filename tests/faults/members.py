"""A topic, a group, and members of it in this process, each with a bus of its own."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
from tests.faults.commits import Watch, watching
from tests.faults.eventlog import EventLog, Handler

from partita import EventBus, Outgoing, Router, Summary, open_bus

WITHIN = 60.0  # seconds that a condition may take on a busy machine
PAUSE = 0.02
QUICK = {"session_timeout_ms": "6000", "heartbeat_interval_ms": "200"}


async def until(condition: Callable[[], bool], what: str = "it", within: float = WITHIN) -> None:
    """Wait for a condition; fail, saying what was waited for."""
    for _ in range(int(within / PAUSE)):
        if condition():
            return
        await asyncio.sleep(PAUSE)
    raise AssertionError(f"not within {within:g} s: {what}")


@attrs.define
class Member:
    """One member of a group, in a task of this process."""

    bus: EventBus
    running: "asyncio.Task[Summary]"
    left: bool = False

    async def leave(self) -> Summary:
        """Drain, leave the group and close the bus. Raises what the run has raised."""
        self.left = True
        await self.bus.drain()
        try:
            return await self.running
        finally:
            await self.bus.aclose()


class Group:
    """
    A topic and a group of their own. Made by `group`.

    Args:
        address: HOST:PORT of Kafka.
        bus: publishes.
        watch: asks for the commits.
        log: what the handlers write.
    """

    def __init__(self, address: str, bus: EventBus, watch: Watch, log: EventLog) -> None:
        self.address, self.bus, self.watch, self.log = address, bus, watch, log
        self.topic = self.name = watch.group
        self.published: list[tuple[int, int]] = []
        self._members: list[Member] = []

    async def publish(
        self, count: int, keys: int = 40, key_of: Callable[[int], bytes | None] | None = None
    ) -> None:
        """
        Publish messages whose values are their numbers.

        Args:
            count: how many.
            keys: under so many keys in turn; 0: without a key.
            key_of: gives the key of a number, if it is not that.
        """
        key_of = key_of or (lambda n: b"k%d" % (n % keys) if keys else None)
        first = len(self.published)
        for start in range(first, first + count, 1000):
            numbers = range(start, min(start + 1000, first + count))
            batch = [Outgoing(b"%d" % n, key=key_of(n)) for n in numbers]
            receipts = await self.bus.publish_batch(self.topic, batch)
            self.published += [(each.partition, each.offset) for each in receipts]

    @asynccontextmanager
    async def load(self, each: int = 100) -> AsyncIterator[None]:
        """Publish *each* messages every 30 ms or so as long as the block lasts."""
        enough = asyncio.Event()

        async def go_on() -> None:
            while not enough.is_set():
                await self.publish(each)
                await asyncio.sleep(0.03)

        task = asyncio.ensure_future(go_on())
        try:
            yield
        finally:
            enough.set()
            await task

    async def join(
        self,
        name: str,
        work: Handler,
        *,
        drain_timeout: float | None = None,
        options: dict[str, str] = QUICK,
        **route: Any,
    ) -> Member:
        """
        Start a member; it joins in the background.

        Args:
            name: its name in the log.
            work: what its handler does.
            drain_timeout: seconds that messages in hand get.
            options: of the client.
            route: options of its route.
        """
        query = "&".join(f"{key}={value}" for key, value in options.items())
        bus = open_bus(f"kafka://{self.address}?{query}")
        await bus.__aenter__()
        router = Router()
        router.handler(self.topic, **route)(self.log.logged(name, work))
        running = asyncio.ensure_future(bus.run(router, group=self.name, drain_timeout=drain_timeout))
        self._members.append(Member(bus, running))
        return self._members[-1]

    async def all_done(self) -> None:
        """Wait until everything published is done, and committed."""
        await until(self._done, "everything is handled")
        await until(lambda: self.watch.sum() >= len(self.published), "everything is committed")

    def _done(self) -> bool:
        for each in self._members:
            if each.running.done() and not each.left:
                each.running.result()
        return self.log.count() >= len(self.published)

    async def end(self) -> None:
        """All members leave that have not."""
        for each in self._members:
            if not each.running.done():
                await each.leave()
            await each.bus.aclose()


@asynccontextmanager
async def group(
    address: str, partitions: int = 4, folder: Path | None = None, *, replication: int = 1
) -> AsyncIterator[Group]:
    """A new topic and group; at the end whoever is still a member leaves."""
    name = f"faults-{uuid.uuid4().hex[:10]}"
    async with open_bus(f"kafka://{address}") as bus:
        await bus.create_topic(name, partitions=partitions, replication=replication)
        async with watching(address, name) as watch:
            made = Group(address, bus, watch, EventLog(folder))
            try:
                yield made
            finally:
                await made.end()
