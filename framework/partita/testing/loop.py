"""
An event loop on virtual time: hours of waiting take milliseconds, and one seed gives one run.

Time moves only when nothing is ready. Callbacks keep the order that asyncio documents, first in, first out;
with a seed it varies which of several timers that are due at one instant fires first.
"""

import asyncio
import contextvars
import random
import selectors
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike as Files

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

TURNS = 100_000
# Below the clock resolution of asyncio (1e-9 s), within which it fires all timers in one turn, in the order
# of their times: so this decides about ties and about nothing else.
TIE = 4e-10
# A chain of timers without a delay creeps on by ties: 100,000 of them stay below this.
INSTANT = 1e-4


class VirtualClock(selectors.BaseSelector):
    """A selector that no file ever wakes: to wait is to move the clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.posted: deque[Callable[[], object]] = deque()
        self._turns = 0
        self._since = 0.0
        self._keys: dict[Files, selectors.SelectorKey] = {}

    def register(self, fileobj: "Files", events: int, data: object = None) -> selectors.SelectorKey:
        """Note *fileobj*, which is the loop's own wake-up socket."""
        key = selectors.SelectorKey(fileobj, hash(fileobj), events, data)
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: "Files") -> selectors.SelectorKey:
        """Forget *fileobj*."""
        return self._keys.pop(fileobj)

    def get_map(self) -> "Mapping[Files, selectors.SelectorKey]":
        """What is registered."""
        return self._keys

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Move the clock by *timeout*, unless a thread has something to say."""
        if self.posted:
            while self.posted:
                self.posted.popleft()()
        elif timeout is None:
            raise AssertionError(f"deadlock at {self.now:g} s: nothing is ready and no timer is set")
        elif timeout > 0:
            self.now += timeout
        if self.now - self._since > INSTANT:
            self._turns, self._since = 0, self.now
        self._turns += 1
        if self._turns > TURNS:
            self._turns = 0
            raise AssertionError(f"livelock at {self.now:g} s: {TURNS} turns and time stands still")
        return []


class SimLoop(asyncio.SelectorEventLoop):
    """
    An event loop on virtual time, in seconds from 0. It reads no socket, and does not wait for threads.

    Args:
        seed: decides which of several timers due at one instant fires first, and seeds the `random` module
            while `run` lasts. None, the default: such timers fire in one order, always the same.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed
        self._chance = random.Random(seed)
        self._virtual = VirtualClock()
        super().__init__(self._virtual)

    def run(self, scenario: Coroutine[object, None, T]) -> T:
        """
        Run *scenario* to its end, once; the loop is closed then.

        Raises:
            AssertionError: a deadlock (nothing is ready and no timer is set) or a livelock (100,000 turns
                at one instant).
            BaseException: the scenario's own error, with a note that names the seed.
        """
        state = random.getstate()
        random.seed(0 if self.seed is None else self.seed)
        try:
            with asyncio.Runner(loop_factory=lambda: self) as runner:
                return runner.run(scenario)
        except BaseException as error:
            # Only told with which seed it came about: it goes on as it is.
            error.add_note(f"simulated with seed {self.seed}, until {self.time():g} s")
            raise
        finally:
            random.setstate(state)

    def time(self) -> float:
        """Virtual seconds."""
        return self._virtual.now

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Set a timer."""
        if self.seed is not None:
            when += self._chance.random() * TIE
        return super().call_at(when, callback, *args, context=context)

    def call_soon_threadsafe(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """What another thread asks for is done between two turns, so that it changes nobody's order."""
        if _running() is self:
            return self.call_soon(callback, *args, context=context)
        handle = asyncio.Handle(callback, args, self, context)
        here = context or contextvars.copy_context()
        self._virtual.posted.append(lambda: None if handle.cancelled() else here.run(callback, *args))
        return handle


def _running() -> asyncio.AbstractEventLoop | None:
    """The loop of this thread."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
