"""
What a worker is at, on SIGUSR1: its partitions by their states, and where each task stands.

Files, lines and names only: neither arguments nor local variables, since messages are among them.
"""

import asyncio
import logging
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from types import FrameType

from partita import Closed, EventBus

MOST_TASKS, DEEPEST = 500, 12
_log = logging.getLogger("partita_worker.stacks")


@contextmanager
def told_on_request(bus: EventBus, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """
    Inside the block SIGUSR1 writes to the log what the worker is at.

    From the signal's handler and not from the loop, so that it works while a handler blocks the loop.
    """

    def tell(number: int, frame: FrameType | None) -> None:
        for line in [*partitions_of(bus), *tasks_of(loop), *blocked_at(frame)]:
            _log.info(line)

    before = signal.signal(signal.SIGUSR1, tell)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


def partitions_of(bus: EventBus) -> Iterator[str]:
    """A line for each partition, and for the whole."""
    standing = bus.standing()
    for name in ("live", "ready", "started"):
        part = getattr(standing, name)
        yield f"{name}: {'yes' if part.healthy else part.reason}"
    try:
        states = bus.states()
    except Closed:
        return
    for each in states:
        place = f"{each.group}: {each.topic}/{each.partition}"
        yield f"{place} {each.name.value} for {each.since:.1f} s {each.detail}".rstrip()


def tasks_of(loop: asyncio.AbstractEventLoop) -> Iterator[str]:
    """A line for each task of a loop, with the places where it waits, the innermost last."""
    tasks = sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name())
    yield f"{len(tasks)} tasks"
    for task in tasks[:MOST_TASKS]:
        frames = list(islice(_frames(task.get_coro()), DEEPEST))
        yield f"task {task.get_name()}: {' > '.join(map(_place, frames)) or 'runs now'}"


def _frames(waits: object) -> Iterator[FrameType]:
    """
    Where a coroutine stands, and what it waits for stands, and so on.

    `Task.get_stack` gives the outermost frame of a task that waits, and no other.
    """
    while waits is not None:
        frame = getattr(waits, "cr_frame", None) or getattr(waits, "gi_frame", None)
        if isinstance(frame, FrameType):
            yield frame
        waits = getattr(waits, "cr_await", None) or getattr(waits, "gi_yieldfrom", None)


def blocked_at(frame: FrameType | None) -> Iterator[str]:
    """Where the main thread was when it was asked."""
    frames = [each for each, _ in traceback.walk_stack(frame)][:DEEPEST]
    yield f"the main thread: {' < '.join(map(_place, frames))}"


def _place(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_qualname} ({code.co_filename}:{frame.f_lineno})"
