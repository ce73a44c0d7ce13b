"""The endpoint of one worker: a server, its pages, and the watch that finds out what they tell."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager

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
    watch, backlogs = Watch(bus, time.monotonic), BacklogLook(bus, groups, time.monotonic)

    def look() -> Snapshot:
        return Snapshot(bus.standing(), watch.health, watch.lag, backlogs.known)

    def figures() -> Iterator[Family]:
        yield from stated(watch.states)
        yield from counted(bus.metrics())
        yield figure("partita_endpoint_refused_total", [(server.refused,)])
        yield from process_families()

    server = Server(place, Pages(look, figures).respond)
    async with server:
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(each.run()) for each in (watch, backlogs)]
        try:
            yield server.url
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
