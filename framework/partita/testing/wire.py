"""The connection of one simulated process to its broker: it may be slow, or down, or lose answers."""

import asyncio
from collections import Counter
from contextvars import Context
from random import Random
from typing import TYPE_CHECKING

from partita.core.ports import TopicPartition
from partita.testing.events import Event, Log
from partita.testing.process import Process

if TYPE_CHECKING:
    from partita.testing.membership import SimSubscription

LATENCY = 0.005
SLOW_LATENCY = 3.0
UNANSWERED_SECONDS = 0.5


class Wire:
    """
    The connection of one process to the broker.

    Args:
        process: whose it is.
        log: where it is noted what happens.
        chance: decides how long each answer takes.
        world: the context of what happens at the broker, which outlives the process.
    """

    def __init__(self, process: Process, log: Log, chance: Random, world: Context) -> None:
        self.process, self.log, self.world = process, log, world
        self.latency = LATENCY
        self.down = self._deceived = False
        self.armed: Counter[str] = Counter()
        self.members: list[SimSubscription] = []
        self.chance = chance

    def note(self, what: str, text: str = "") -> None:
        """Something happened to this process."""
        self.log.note(Event(0.0, self.process.name, what, text=text))

    def note_at(self, group: str, what: str, at: TopicPartition, offset: int = -1, text: str = "") -> None:
        """Something happened to this process at a partition."""
        self.log.note(Event(0.0, self.process.name, what, at, offset, text=text, group=group))

    def deceive(self) -> None:
        """This process's client does not do its work from now on, and does not say so."""
        self._deceived = True
        self.note("trouble begins")

    def rebuilt(self) -> None:
        """It has a new client."""
        if self._deceived:
            self._deceived = False
            self.note("trouble ends")

    def strikes(self, fault: str) -> bool:
        """Whether the next call of its kind meets *fault*."""
        if self.armed[fault] <= 0:
            return False
        self.armed[fault] -= 1
        self.note("fault", text=fault)
        return True

    async def travel(self) -> None:
        """A request or an answer is under way: at once, after one turn of the loop, or after a while."""
        if self.chance.random() < 0.3 and self.latency == LATENCY:
            return
        await asyncio.sleep(self.chance.choice((0.0, self.chance.random())) * self.latency)

    async def ask(self, call: str) -> None:
        """
        A request reaches the broker.

        Raises:
            ConnectionError: it does not.
        """
        await self.travel()
        if self.down or self.process.dead:
            await asyncio.sleep(UNANSWERED_SECONDS)
            raise lost(call)

    async def answered(self, call: str) -> None:
        """
        The answer reaches the process.

        Raises:
            ConnectionError: it does not.
        """
        await self.travel()
        if self.down:
            raise lost(call)

    def expel(self) -> None:
        """The broker throws this process's members out."""
        for member in list(self.members):
            member.expel()


def lost(call: str) -> ConnectionError:
    """What a client raises when no answer comes."""
    return ConnectionError(f"simulated: no answer to {call}")
