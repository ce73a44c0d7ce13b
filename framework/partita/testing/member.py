"""One process of a simulation that runs the router: started, stopped, frozen, killed."""

import asyncio
from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING

from partita.bus import EventBus
from partita.core.health import Part, describe
from partita.testing.backend import SimBackend
from partita.testing.handling import WIRE, Watching
from partita.testing.membership import SESSION_SECONDS
from partita.testing.process import Process
from partita.testing.wire import LATENCY, Wire

if TYPE_CHECKING:
    from partita.testing.world import World


class Member:
    """
    A process with a bus that runs the router.

    Args:
        world: the world that it is in.
        name: for logs; with the seed it decides how long its answers take.
    """

    def __init__(self, world: "World", name: str) -> None:
        self.world, self.name = world, name
        self.process = Process(name)
        self.wire = Wire(self.process, world.log, Random(f"{world.plan.seed} {name}"), world.context)
        self.bus = EventBus(SimBackend(world.broker, self.wire))
        self.process.context.run(WIRE.set, self.wire)
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to run."""
        self._running = self.process.spawn(self._run())

    async def _run(self) -> None:
        plan = self.world.plan
        watching = Watching(self.wire, plan.group, self.bus.reader)
        try:
            async with self.bus:
                await self.bus.run(
                    self.world.beset, group=plan.group, drain_timeout=plan.drain_timeout, wrap=watching
                )
        # Whatever ends a process that nobody stopped is what the simulation is there to find.
        except Exception as error:  # noqa: BLE001
            if not self.process.dead:
                self.world.oracle.violations.append(f"{self.name} ended with {describe(error)}")

    @property
    def runs(self) -> bool:
        """Whether it is neither frozen nor being stopped nor dead."""
        return self.process.runs and self in self.world.members

    @property
    def health(self) -> Mapping[str, Part]:
        """What it says of itself, without asking the broker."""
        return self.bus._running.parts

    async def stop(self) -> None:
        """Stop in good order, once it has begun to run."""
        assert self._running is not None  # it was started
        self.wire.note("stopping")
        await self.process.spawn(self.bus.drain())
        await self._running
        self.wire.note("stopped")

    async def crash(self) -> None:
        """Stop where it stands; the broker notices after a while."""
        self.process.kill()
        await asyncio.sleep(0)
        self.wire.note("crash")
        asyncio.get_running_loop().call_later(SESSION_SECONDS, self.wire.expel)

    async def freeze(self, seconds: float) -> None:
        """Stand still for a while; the broker notices after a while."""
        self.wire.note("trouble begins")
        self.process.freeze()
        await self._away(seconds)
        self.process.thaw()
        self.wire.note("trouble ends")

    async def lose_broker(self, seconds: float) -> None:
        """Have no connection for a while; the broker notices after a while."""
        self.wire.note("trouble begins")
        self.wire.down = True
        await self._away(seconds)
        self.wire.down = False
        self.wire.note("trouble ends")

    async def _away(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, SESSION_SECONDS))
        if seconds > SESSION_SECONDS:
            self.wire.expel()
            await asyncio.sleep(seconds - SESSION_SECONDS)

    async def slow_down(self, seconds: float, latency: float) -> None:
        """Wait for each answer of the broker."""
        self.wire.note("trouble begins")
        self.wire.latency = latency
        await asyncio.sleep(seconds)
        self.wire.latency = LATENCY
        # What was asked meanwhile is still under way.
        await asyncio.sleep(2 * latency)
        self.wire.note("trouble ends")

    def bury(self) -> None:
        """After the simulation, with its tasks cancelled: let them end."""
        self.wire.down = True
        self.process.bury()

    def __repr__(self) -> str:
        return f"<Member {self.process!r}>"
