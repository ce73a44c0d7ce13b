"""
A simulated process: tasks that can be stopped where they stand, and perhaps go on later.

Whatever is begun in the context of a process belongs to it: its tasks, its callbacks and its timers. The loop
asks the process of each before it runs.
"""

import asyncio
import atexit
import contextvars
import logging
import types
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import TypeVar, TypeVarTuple, cast

from partita.core.health import describe
from partita.testing.loop import SimLoop

_log = logging.getLogger("partita.testing")

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_CURRENT: contextvars.ContextVar["Process | None"] = contextvars.ContextVar("process", default=None)

# What the handlers of dead processes were at. It is kept to the end of the program: Python runs every
# `finally` in it when it lets go of it.
_ABANDONED: list[Generator[object, object, object]] = []


@atexit.register
def _let_go() -> None:
    """While there are still modules that a `finally` may use."""
    for steps in _ABANDONED:
        try:
            steps.close()
        # A `finally` that fails or waits changes nothing any more: the simulation is long over.
        except Exception as error:  # noqa: BLE001
            _log.debug(
                "a handler that a simulated crash had stopped could not be closed: %s", describe(error)
            )


class Process:
    """
    What runs in one process.

    Args:
        name: for logs.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.runs = True
        self.dead = self.buried = False
        self.context = contextvars.copy_context()
        self.context.run(_CURRENT.set, self)
        self._held: deque[Callable[[], object]] = deque()

    def spawn(self, work: Coroutine[object, None, T]) -> "asyncio.Task[T]":
        """Begin a task in this process."""
        return asyncio.get_running_loop().create_task(work, context=self.context)

    def call(self, function: Callable[[], None]) -> None:
        """Call *function* in this process, as soon as it runs."""
        self.hold(lambda: self.context.copy().run(function))
        if self.runs:
            self._held.pop()()

    def hold(self, work: Callable[[], object]) -> None:
        """Do *work* as soon as this process runs again."""
        self._held.append(work)

    def freeze(self) -> None:
        """Stop where it stands, when what is ready in this turn of the loop has run."""
        self.runs = False

    def thaw(self) -> None:
        """Go on, unless it is dead."""
        if not self.dead:
            self.runs = True
            while self._held:
                self._held.popleft()()

    def kill(self) -> None:
        """Stop for good, likewise; nothing is cleaned up."""
        self.dead, self.runs = True, False

    def bury(self) -> None:
        """After the simulation, with its tasks cancelled: let them end, which Python insists on."""
        self.dead, self.buried = False, True
        self.thaw()

    def __repr__(self) -> str:
        return f"<Process {self.name} {'dead' if self.dead else 'running' if self.runs else 'frozen'}>"


class ProcessLoop(SimLoop):
    """A `SimLoop` with processes in it."""

    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """In the next turn, or when the process runs again whose context this is."""
        process = _CURRENT.get() if context is None else context.get(_CURRENT)
        if process is None or process.runs:
            return super().call_soon(callback, *args, context=context)
        here = contextvars.copy_context() if context is None else context
        handle = asyncio.Handle(callback, args, self, here)
        process.hold(lambda: None if handle.cancelled() else self.call_soon(callback, *args, context=here))
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Set a timer; what is due while its process stands still is done when it runs again."""
        process = _CURRENT.get() if context is None else context.get(_CURRENT)
        if process is None:
            return super().call_at(when, callback, *args, context=context)
        return super().call_at(when, self._due, process, callback, args, context=context)

    def _due(self, process: Process, callback: Callable[[*Ts], object], args: tuple[*Ts]) -> None:
        if process.runs:
            callback(*args)
        elif not process.dead:
            self.call_soon(callback, *args)


@types.coroutine
def in_process(work: Awaitable[T], process: Process) -> Generator[object, None, T]:
    """*work* of a handler; when its process has died it does not go on, and not even its `finally` runs."""
    steps = cast("Generator[object, object, T]", work.__await__())  # what __await__ of a coroutine returns
    error: BaseException | None = None
    while True:
        try:
            wanted = next(steps) if error is None else steps.throw(error)
        except StopIteration as end:
            result: T = end.value
            return result
        error = None
        try:
            yield wanted
        # Not ours to handle: it is thrown where the handler waits, unless that is dead.
        except BaseException as caught:  # noqa: BLE001
            error = caught
        if process.buried:
            _ABANDONED.append(steps)
            raise asyncio.CancelledError
