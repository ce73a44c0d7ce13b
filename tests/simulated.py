"""
An asyncio loop whose time is virtual: hours of back-off take milliseconds, and callbacks keep their order.

Time moves only when nothing is ready. Nothing ready and no timer is a deadlock, and too many turns at one
instant are a livelock; both are raised instead of hanging the test. Threads are outside of its world.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike as Files

T = TypeVar("T")

TURNS = 100_000


class Deadlock(RuntimeError):
    """Nothing is ready and no timer is set."""


class Livelock(RuntimeError):
    """The loop turns and turns, and time stands still."""


class VirtualClock(selectors.BaseSelector):
    """A selector that no file ever wakes: to wait is to move the clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self._turns = 0
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
        """Move the clock by *timeout*."""
        if timeout is None:
            raise Deadlock("nothing is ready and no timer is set")
        if timeout > 0:
            self.now += timeout
            self._turns = 0
            return []
        self._turns += 1
        if self._turns > TURNS:
            self._turns = 0
            raise Livelock(f"{TURNS} turns at {self.now:g} s")
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time, in seconds from 0."""

    def __init__(self) -> None:
        self._virtual = VirtualClock()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Virtual seconds."""
        return self._virtual.now


def run(scenario: Coroutine[object, None, T]) -> tuple[T, float]:
    """Run *scenario*; returns its result and the virtual seconds that it took."""

    async def timed() -> tuple[T, float]:
        result = await scenario
        return result, asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(timed())


async def pass_time(seconds: float) -> None:
    """Let virtual time go by."""
    await asyncio.sleep(seconds)


async def until(condition: Callable[[], object], seconds: float = 3600.0) -> None:
    """Let virtual time go by until *condition* holds; fails after *seconds*."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        assert loop.time() < deadline, f"not within {seconds:g} s"
        await asyncio.sleep(0.01)
