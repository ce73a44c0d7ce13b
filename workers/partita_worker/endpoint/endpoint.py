"""The endpoint of one worker: a server, its pages, and the watch that finds out what they tell."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from partita import EventBus
from partita_worker.endpoint.pages import Pages
from partita_worker.endpoint.processes import process_families
from partita_worker.endpoint.server import Place, Server
from partita_worker.endpoint.snapshot import Snapshot
from partita_worker.endpoint.watch import Watch


@asynccontextmanager
async def serving(bus: EventBus, place: Place) -> AsyncIterator[str]:
    """
    Answer at *place* inside the block, from before the bus is open until after it was closed.

    Yields:
        Where, as a URL without a path.

    Raises:
        SettingRefused: it cannot listen there.
    """
    watch = Watch(bus, time.monotonic)

    def look() -> Snapshot:
        return Snapshot(bus.standing(), watch.health, watch.states, watch.lag)

    async with Server(place, Pages(look, process_families).respond) as server:
        watching = asyncio.get_running_loop().create_task(watch.run())
        try:
            yield server.url
        finally:
            watching.cancel()
            await asyncio.wait([watching])
