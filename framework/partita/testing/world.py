"""
The world of a simulation: a broker, processes that run one router, messages that arrive, and what goes wrong.

All that chance decides comes from the seed. First come the faults, then everything heals, what is left must
be handled, and all processes stop in good order.
"""

import asyncio
import contextvars
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from random import Random

import attrs

from partita.backends.memory import MemoryBackend
from partita.backends.memory.records import MemoryReader
from partita.bus import EventBus
from partita.core.ports import Outgoing
from partita.router import Router
from partita.testing.backend import SimBroker
from partita.testing.events import Event, Log
from partita.testing.handling import Beset
from partita.testing.member import Member
from partita.testing.mishaps import MISHAPS, SURE
from partita.testing.oracle import Oracle
from partita.testing.silence import SilenceJudge

FEED_SECONDS = 8.0
FAULT_SECONDS = 10.0
HEAL_SECONDS = 600.0
LEAST_FAULTS, MOST_FAULTS = 6, 12


@attrs.frozen
class Plan:
    """
    What a simulation is about.

    Args:
        seed: what chance decides.
        faults: the names of the faults that may happen.
        members: how many processes there are at the start.
        partitions: of each topic.
        group: the group of the routes that name none.
        drain_timeout: seconds that calls get when a partition goes away.
    """

    seed: int
    faults: Collection[str]
    members: int
    partitions: int
    group: str = "simulated"
    drain_timeout: float = 3.0


class World:
    """
    One simulation.

    Args:
        router: what is run.
        plan: how.
        loop: where; it need not run yet.
    """

    def __init__(self, router: Router, plan: Plan, loop: asyncio.AbstractEventLoop) -> None:
        self.plan = plan
        self.loop = loop
        concurrency: Counter[tuple[str, str]] = Counter()
        for route in router.routes:
            concurrency[route.settings.group or plan.group, route.plan.name] += route.settings.concurrency
        self.oracle = Oracle(plan.drain_timeout, concurrency)
        self.log = Log(self.loop.time, self.oracle.see)
        self.broker = SimBroker(plan.partitions, self.log, router.routes, plan.group)
        self.beset = Beset(router, plan.group)
        self.groups = sorted({route.settings.group or plan.group for route in router.routes})
        self.reader = MemoryReader()
        self.seconds = 0.0
        self.members: list[Member] = []
        self.fallen: list[Member] = []
        self.chance = Random(f"{plan.seed}")
        self.context = contextvars.copy_context()
        self._started = 0

    def note(self, what: str, process: str = "world", text: str = "") -> None:
        """Something happened."""
        self.log.note(Event(0.0, process, what, text=text))

    def strike(self, fault: str, process: str = "world") -> None:
        """A fault took effect."""
        self.note("fault", process, fault)

    async def run(self, messages: Mapping[str, Sequence[Outgoing]]) -> None:
        """
        Let it happen, and stop everything in the end.

        Raises:
            RouteError: the router cannot be served.
        """
        try:
            await self._run(messages)
        finally:
            # Processes may be dead, frozen or in mid-work, also when the loop has given up: their tasks would
            # stay behind. Bounded, since no handler goes on.
            self.log.close()
            await self._bury()

    async def _run(self, messages: Mapping[str, Sequence[Outgoing]]) -> None:
        for topic in messages:
            self.broker.ensure(topic)
        async with EventBus(MemoryBackend(self.broker, "memory://")) as bus:
            await bus.check(self.beset, group=self.plan.group)
        for _ in range(self.plan.members):
            self.start()
        judging = self.loop.create_task(SilenceJudge(self).run())
        feeding = self.loop.create_task(self._feed(messages))
        await self._go_wrong()
        await feeding
        self._heal()
        await self._settled()
        judging.cancel()
        await asyncio.wait([judging])
        if not judging.cancelled():
            judging.result()
        await self._stop_all()
        self.oracle.conclude()
        self.seconds = self.loop.time()

    def start(self) -> Member:
        """One process more."""
        self._started += 1
        member = Member(self, f"process {self._started}")
        self.members.append(member)
        member.start()
        return member

    async def _feed(self, messages: Mapping[str, Sequence[Outgoing]]) -> None:
        """Messages arrive, a few at a time, those of a topic in their order."""
        for group in self.groups:
            # Where a group begins that reads the latest is decided with its first assignment.
            await self.broker.group(group).stable()
        waiting = {topic: list(reversed(each)) for topic, each in messages.items()}
        pause = FEED_SECONDS / max(1, sum(map(len, waiting.values())))
        while topics := [topic for topic, each in waiting.items() if each]:
            topic = self.chance.choice(topics)
            for _ in range(min(self.chance.choice((1, 1, 5, 20)), len(waiting[topic]))):
                self.broker.append(topic, waiting[topic].pop())
                await asyncio.sleep(self.chance.choice((0.0, 2 * pause)))

    async def _go_wrong(self) -> None:
        """As many faults as chance wants, of as many kinds; more while too few have taken effect."""
        some = self.chance.randint(1, len(self.plan.faults))
        kinds = self.chance.sample(list(self.plan.faults), some)
        number = self.chance.randint(LEAST_FAULTS, MOST_FAULTS)
        times = sorted(self.chance.uniform(0.2, FAULT_SECONDS) for _ in range(number))
        under_way = []
        for when in times:
            await asyncio.sleep(max(0.0, when - self.loop.time()))
            kind = self.chance.choice(kinds)
            under_way.append(self.loop.create_task(MISHAPS[kind](self, kind)))
        await asyncio.gather(*under_way)
        sure = [kind for kind in self.plan.faults if kind in SURE] or ["rebalance"]
        while self.faults.total() < LEAST_FAULTS - 1:
            kind = self.chance.choice(sure)
            await MISHAPS[kind](self, kind)

    @property
    def faults(self) -> Counter[str]:
        """The faults that took effect, by name."""
        return Counter(each.text for each in self.log if each.what == "fault")

    def _heal(self) -> None:
        self.beset.heal()
        self.oracle.heal()
        for member in self.members:
            member.wire.armed.clear()
        while len(self.members) < self.plan.members:
            self.start()

    async def _settled(self) -> None:
        deadline = self.loop.time() + HEAL_SECONDS
        while any(self.oracle.unsettled()) and self.loop.time() < deadline:
            if self.oracle.violations:
                return
            await asyncio.sleep(0.1)
        self.oracle.settle()

    async def _stop_all(self) -> None:
        for member in list(self.members):
            await self.stop(member)

    async def _bury(self) -> None:
        """Let what the dead have left behind end, by a cancellation that no handler sees."""
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        for member in [*self.fallen, *self.members]:
            member.bury()
        if left:
            await asyncio.wait(left)

    async def stop(self, member: Member) -> None:
        """Stop a process in good order."""
        if member in self.members:
            self.members.remove(member)
        await member.stop()
