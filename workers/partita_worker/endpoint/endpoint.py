"""The endpoint of one worker: a server, its pages, and the watch that finds out what they tell."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager

import attrs

from partita import EventBus
from partita_worker.endpoint.backlogs import BacklogLook
from partita_worker.endpoint.figures import Family
from partita_worker.endpoint.names import figure
from partita_worker.endpoint.pages import Pages
from partita_worker.endpoint.processes import process_families
from partita_worker.endpoint.server import Place, Server
from partita_worker.endpoint.snapshot import Snapshot
from partita_worker.endpoint.tables import counted, stated
from partita_worker.endpoint.watch import Watch


@attrs.frozen
class Seen:
    """
    What is known of a bus at any time, without a question to anybody.

    Args:
        bus: whose health and figures they are.
        watch: asks for its health.
        backlogs: asks for what waits.
    """

    bus: EventBus
    watch: Watch
    backlogs: BacklogLook

    def look(self) -> Snapshot:
        """Its health."""
        return Snapshot(self.bus.standing(), self.watch.health, self.watch.lag, self.backlogs.known)

    def figures(self) -> Iterator[Family]:
        """Its figures."""
        yield from stated(self.watch.states)
        yield from counted(self.bus.metrics())
        yield from process_families()

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """Find out inside the block, and tell what was found out after it."""
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(each.run()) for each in (self.watch, self.backlogs)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


def seen_of(bus: EventBus, groups: Collection[str]) -> Seen:
    """What a bus can tell, the backlog of *groups* included."""
    return Seen(bus, Watch(bus, time.monotonic), BacklogLook(bus, groups, time.monotonic))


@asynccontextmanager
async def serving(bus: EventBus, groups: Collection[str], place: Place) -> AsyncIterator[str]:
    """
    Answer inside the block, from before the bus is open until after it was closed.

    Args:
        bus: whose health and figures they are.
        groups: the groups whose backlog is told.
        place: where to listen.

    Yields:
        Where, as a URL without a path.

    Raises:
        SettingRefused: it cannot listen there.
    """
    seen = seen_of(bus, groups)

    def figures() -> Iterator[Family]:
        yield from seen.figures()
        yield figure("partita_endpoint_refused_total", [(server.refused,)])

    server = Server(place, Pages(seen.look, figures).respond)
    async with server, seen.looking():
        yield server.url
