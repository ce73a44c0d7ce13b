"""
A pool of processes for the CPU-bound handler of one route.

Messages that wait are handed over in batches, as many as take about 5 ms (`core.paces`). A process that
dies fails the message it was at, and that one only: what it had beside is handed to another. The processes
are anyio's to start and to end; `anyio.to_process` is not used, since it goes back and forth for each call,
pickles what it carries, gives nothing to print to, and does not tell which message a process died of.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Mapping

from anyio import BrokenWorkerProcess

from partita.actors.children import Child, Errand, cores
from partita.actors.stalls import Stall
from partita.core.errors import RouteError
from partita.core.failures import raisable, unpack_error
from partita.core.frames import Kind
from partita.core.paces import Pace

READY_SECONDS = 60.0
END_SECONDS = 5.0
AGAIN_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_log = logging.getLogger("partita.pool")


class Deadlines:
    """
    Kills a process that is at one message for too long. One timer for each process that has messages.

    Args:
        seconds: how long it may take; None: as long as it likes.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._timers: dict[Child, asyncio.TimerHandle] = {}

    def __bool__(self) -> bool:
        return bool(self._timers)

    def watch(self, child: Child) -> None:
        """It has messages: look after it when the one it is at may have taken too long."""
        if self.seconds is not None and child not in self._timers:
            wait = self.seconds - child.busy_with()[1]
            loop = asyncio.get_running_loop()
            self._timers[child] = loop.call_later(max(wait, 0.001), self._look, child, self.seconds)

    def _look(self, child: Child, most: float) -> None:
        del self._timers[child]
        if not child.in_hand:
            return
        errand, seconds = child.busy_with()
        if seconds >= most:
            # What it is at cannot be stopped in any other way.
            child.overdue = errand
            child.kill()
        else:
            self.watch(child)

    def forget(self, child: Child) -> None:
        """It is dead, or is to end."""
        if child in self._timers:
            self._timers.pop(child).cancel()


class ProcessPool:
    """
    Runs the calls of one route in processes. It is used on one event loop.

    Args:
        name: the handler's, for logs.
        where: function, file and line, for errors.
        concurrency: the most calls that are handed over at once; there are as many processes as the machine
            has cores, and no more than this.
        given: what a process is told, see `partita.child`.
        timeout: seconds after which a process that is still at a message is killed; None: never.

    Attributes:
        stall: why no call can be started.
        deadlines: of the messages that processes are at.
    """

    def __init__(
        self,
        name: str,
        where: str,
        concurrency: int,
        given: Mapping[str, object],
        timeout: float | None = None,
    ) -> None:
        self.name, self.size = name, min(concurrency, cores())
        self.stall, self.deadlines = Stall(), Deadlines(timeout)
        self._where, self._given = where, given
        self._pace = Pace()
        self._waiting: deque[Errand] = deque()
        self._children: set[Child] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._first: asyncio.Future[None] | None = None
        self._again: asyncio.TimerHandle | None = None
        self._failures = 0
        self._dealing = self._closed = False

    @property
    def pids(self) -> list[int]:
        """The ids of its processes that are up."""
        return [each.pid for each in self._children if each.is_ready]

    async def start(self, seconds: float = READY_SECONDS) -> None:
        """
        Start the first process, and wait until it has imported the handler, at most so many *seconds*.

        Raises:
            RouteError: it cannot.
            OSError: there is no process to be had.
        """
        self._first = asyncio.get_running_loop().create_future()
        self._add()
        try:
            async with asyncio.timeout(seconds):
                await self._first
        except TimeoutError:
            told = f"the handler is not imported after {seconds:g} s"
            raise RouteError(f"{self._where}: run='process': {told}") from None

    def call(self, parcel: bytes) -> Awaitable[object]:
        """
        Have a message handled by a process: bytes or None, what the handler returned.

        Raises:
            TimeoutError: it took too long, and its process was killed.
            BrokenWorkerProcess: its process died.
            BaseException: what the handler raised, see `core.failures`.
        """
        loop = asyncio.get_running_loop()
        errand = Errand(parcel, loop.create_future())
        self._waiting.append(errand)
        if not self._dealing:
            # At the end of this turn, so that what is called in it goes over together.
            self._dealing = True
            loop.call_soon(self._deal)
        return errand.future

    def _deal(self) -> None:
        """Hand out what waits, and have another process started when there is more."""
        self._dealing = False
        while self._waiting and (ready := [each for each in self._children if each.is_ready]):
            child = min(ready, key=lambda each: len(each.in_hand))
            share = self._pace.share(len(self._waiting), len(child.in_hand), len(ready))
            if not share:
                break
            self._hand(child, share)
        if self._waiting and len(self._children) < self.size and self._again is None and not self._closed:
            self._add()

    def _hand(self, child: Child, share: int) -> None:
        errands = [self._waiting.popleft() for _ in range(share)]
        # One whose caller was cancelled meanwhile has not begun, and never will.
        errands = [each for each in errands if not each.future.done()]
        if errands:
            child.hand(errands)
            self.deadlines.watch(child)

    def _add(self) -> None:
        child = Child(self)
        self._children.add(child)
        self._run(self._start(child))

    def _run(self, coroutine: Awaitable[None]) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start(self, child: Child) -> None:
        try:
            await child.start(self._given)
        # No process, or none any more: the others have what there is, or it is tried again later.
        except OSError as error:
            self._children.discard(child)
            self._unstarted(error)

    def ready(self, child: Child) -> None:
        """A process has imported the handler."""
        self._failures = 0
        self.stall.end()
        if self._first is not None and not self._first.done():
            self._first.set_result(None)
        self._deal()

    def answered(self, errand: Errand, kind: int, text: bytes) -> None:
        """A message has been handled."""
        if errand.future.done():
            return
        if kind == Kind.FAILED:
            errand.future.set_exception(raisable(unpack_error(text)))
        else:
            errand.future.set_result(text if kind == Kind.RESULT else None)

    def spent(self, child: Child, seconds: float, messages: int) -> None:
        """That many messages took so long, and there is room for others."""
        self._pace.took(seconds, messages)
        self._deal()

    def lost(self, child: Child) -> None:
        """A process has closed its end."""
        self.deadlines.forget(child)
        if child in self._children:
            self._children.discard(child)
            self._run(self._bury(child))

    async def _bury(self, child: Child) -> None:
        """A process is dead: the message it was at has failed, the others are handed out again."""
        how = await child.ended(END_SECONDS)
        if child.refused or not child.is_ready:
            self._unstarted(RouteError(f"{self._where}: run='process': {child.refused or how}"))
            return
        _log.error("a process of %s %s", self.name, how)
        culprit = child.culprit
        if culprit is not None:
            child.in_hand.remove(culprit)
            self._fail(culprit, culprit is child.overdue, how)
        # What it had handled with nobody told is among these: at least once, as after any crash.
        self._waiting.extendleft(reversed(child.in_hand))
        self._deal()

    def _fail(self, errand: Errand, overdue: bool, how: str) -> None:
        told: Exception = BrokenWorkerProcess(f"the process that handled the message {how}")
        if overdue:
            told = TimeoutError(f"not handled within {self.deadlines.seconds:g} s, so its process was killed")
        if not errand.future.done():
            errand.future.set_exception(told)

    def _unstarted(self, error: Exception) -> None:
        """A process could not be started, or could not import the handler."""
        if self._first is not None and not self._first.done():
            self._first.set_exception(error)
            return
        _log.error("no process for %s: %s", self.name, error)
        if self._children or self._closed:
            return
        wait = AGAIN_SECONDS[min(self._failures, len(AGAIN_SECONDS) - 1)]
        self._failures += 1
        self.stall.begin(f"no process for {self.name} can be started: {error}")
        self._again = asyncio.get_running_loop().call_later(wait, self._retry)

    def _retry(self) -> None:
        self._again = None
        self._add()

    async def close(self) -> None:
        """End the processes; one that is still at a message is killed."""
        self._closed = True
        if self._again is not None:
            self._again.cancel()
        # Those that are being started or buried are in the hands of their tasks, which do not take long.
        while self._tasks:
            await asyncio.wait(self._tasks)
        children, self._children = self._children, set()
        for child in children:
            self.deadlines.forget(child)
        for child in children:
            child.end()
        await asyncio.gather(*[child.ended(END_SECONDS) for child in children])

    def __repr__(self) -> str:
        return f"<ProcessPool of {self.name}: {len(self._children)} processes>"
