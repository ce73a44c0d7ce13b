"""Scenarios on virtual time, for the tests of one actor at a time."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

from partita.testing import SimLoop

T = TypeVar("T")


def run(scenario: Coroutine[object, None, T]) -> tuple[T, float]:
    """Run *scenario*; returns its result and the virtual seconds that it took."""
    loop = SimLoop()
    result = loop.run(scenario)
    return result, loop.time()


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
