"""
A pool of threads for the blocking handler of one route.

Calls that wait stand in one queue, and a thread takes one after the other from it, without the event loop
in between. A thread that takes a call while others wait calls the next thread first. That one gets the
interpreter as soon as this call blocks or takes long, so blocking calls run beside each other, and quick
ones one after the other in one thread. Results go back together: whoever comes up, or finds no call
waiting, wakes the loop once for all of them.

The threads are anyio's, each lent until the pool is closed, so that `anyio.from_thread` works in a
handler. `anyio.to_thread.run_sync` for each call instead would be a hand-over to a thread, a wake of the
loop, a limiter and a cancel scope per message.
"""

import asyncio
import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextvars import Context, copy_context

import anyio.to_thread
from anyio import CapacityLimiter

from partita.actors.stalls import Stall
from partita.core.failures import raisable

_log = logging.getLogger("partita.pool")


class ThreadCall:
    """One call of the handler."""

    __slots__ = ("args", "context", "function", "future", "kwargs", "leaked", "state")

    def __init__(
        self,
        function: Callable[..., object],
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
        future: "asyncio.Future[object]",
    ) -> None:
        self.function, self.args, self.kwargs, self.future = function, args, kwargs, future
        self.context: Context = copy_context()
        self.state = "waiting"
        self.leaked = False


class PoolThread:
    """One thread: the lock that it sleeps on, and whether it is in a call."""

    __slots__ = ("busy", "gate")

    def __init__(self) -> None:
        self.gate = threading.Lock()
        self.gate.acquire()
        self.busy = False


class Leaks:
    """
    Calls that still run though nobody waits for them; as many as may run are one too many.

    Args:
        name: the handler's.
        most: how many may run at once.
        stall: begins and ends with them.
    """

    def __init__(self, name: str, most: int, stall: Stall) -> None:
        self.count = 0
        self._name, self._most, self._stall = name, most, stall

    def add(self) -> None:
        """A call that cannot be stopped was given up."""
        self.count += 1
        _log.warning("%s was given up, but its thread cannot be stopped: %d such", self._name, self.count)
        if self.count >= self._most:
            self._stall.begin(f"{self.count} calls of {self._name} that were given up still run")
            _log.error("no more calls of %s are started until one returns", self._name)

    def returned(self) -> None:
        """One of them has ended after all."""
        self.count -= 1
        if self.count < self._most:
            self._stall.end()


class ThreadPool:
    """
    Runs the calls of one route in threads. It is used on one event loop.

    A call that is cancelled goes on in its thread, since a thread cannot be stopped. It is counted as
    leaked, its late result is ignored, and another thread takes its place; once as many are leaked as calls
    may run, no call is started until one of them returns.

    Args:
        name: the handler's, for logs.
        size: the most calls that run at once, leaked ones not counted.

    Attributes:
        stall: why no call can be started.
    """

    def __init__(self, name: str, size: int) -> None:
        self.name, self.size = name, size
        self.stall = Stall()
        self._leaks = Leaks(name, size, self.stall)
        self._waiting: deque[ThreadCall] = deque()
        self._ended: deque[tuple[ThreadCall, object, BaseException | None]] = deque()
        self._threads: set[PoolThread] = set()
        self._lent: dict[asyncio.Task[None], PoolThread] = {}
        self._idle: list[PoolThread] = []
        self._lock = threading.Lock()
        self._coming = self._posted = self._closed = False
        self._limiter: CapacityLimiter
        self._loop: asyncio.AbstractEventLoop

    @property
    def leaked(self) -> int:
        """How many calls still run though nobody waits for them."""
        return self._leaks.count

    @property
    def threads(self) -> int:
        """How many there are, idle ones and those in leaked calls too."""
        return len(self._threads)

    async def start(self) -> None:
        """Be there for calls of the running loop. Threads come with the calls."""
        self._loop = asyncio.get_running_loop()
        self._limiter = CapacityLimiter(math.inf)

    async def call(
        self, function: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object]
    ) -> object:
        """
        Call *function* in a thread, in a copy of the caller's context variables.

        Raises:
            BaseException: what it raised.
        """
        call = ThreadCall(function, args, kwargs, self._loop.create_future())
        self._waiting.append(call)
        # One that is on its way has not looked at the queue yet.
        if not self._coming:
            with self._lock:
                self._come(self._hire)
        try:
            return await call.future
        except asyncio.CancelledError:
            # The thread may be in the call, and cannot be stopped; or the handler itself raised this.
            self._abandon(call)
            raise

    def _come(self, hire: Callable[[], object]) -> None:
        """Somebody is to look at the queue: an idle thread, or a new one. Under the lock."""
        if self._coming:
            return
        if self._idle:
            self._coming = True
            self._idle.pop().gate.release()
        elif len(self._threads) < self.size + self._leaks.count:
            self._coming = True
            hire()

    def _hire(self) -> None:
        """Start a thread; on the loop."""
        thread = PoolThread()
        self._threads.add(thread)
        task = self._loop.create_task(self._lend(thread))
        self._lent[task] = thread
        task.add_done_callback(self._lent.pop)

    async def _lend(self, thread: PoolThread) -> None:
        try:
            # Abandoned on cancel: `close` does not wait for a call that nobody waits for.
            await anyio.to_thread.run_sync(self._serve, thread, limiter=self._limiter, abandon_on_cancel=True)
        # The system has no thread to give: that is the outcome of the calls that no other thread takes.
        except RuntimeError as error:
            self._threads.discard(thread)
            self._refuse(error)
        # The pool is closed, or the loop ends without that: idle threads must not outlive it.
        except asyncio.CancelledError:
            self._shut()
            raise
        finally:
            self._threads.discard(thread)

    def _refuse(self, error: RuntimeError) -> None:
        _log.error("no thread for %s: %s", self.name, error)
        self._coming = False
        self._settle()
        while not self._threads and (call := self._pop()) is not None:
            call.state = "ended"
            call.future.set_exception(error)

    def _serve(self, thread: PoolThread) -> None:
        """What a thread does until the pool is closed."""
        self._coming = False
        while (call := self._take(thread)) is not None:
            result, error = None, None
            try:
                result = call.context.run(call.function, *call.args, **call.kwargs)
            # A barrier: whatever a handler raises is its message's outcome.
            except BaseException as raised:  # noqa: BLE001
                error = raised
            call.state = "ended"
            self._ended.append((call, result, error))
            del call, result, error  # an idle thread holds no message

    def _take(self, thread: PoolThread) -> ThreadCall | None:
        """The next call; None: the pool is closed."""
        while True:
            with self._lock:
                call = self._next(thread)
            if call is None and self._closed:
                return None
            # Whoever comes next delivers what has ended; when nobody does, this one must before it may block.
            if self._ended and not (self._coming or self._posted):
                self._posted = True
                self._loop.call_soon_threadsafe(self._settle)
            if call is not None:
                return call
            thread.gate.acquire()
            self._coming = False

    def _next(self, thread: PoolThread) -> ThreadCall | None:
        """A call for a thread, which is idle when there is none. Under the lock."""
        call = self._pop()
        thread.busy = call is not None
        if call is None and not self._closed:
            self._idle.append(thread)
        elif self._waiting:
            self._come(lambda: self._loop.call_soon_threadsafe(self._hire))
        return call

    def _pop(self) -> ThreadCall | None:
        while self._waiting:
            call = self._waiting.popleft()
            if call.state == "waiting":
                call.state = "running"
                return call
        return None

    def _settle(self) -> None:
        """Give all results to those who wait for them; on the loop."""
        self._posted = False
        while self._ended:
            call, result, error = self._ended.popleft()
            if call.leaked:
                self._leaks.returned()
            if call.future.done():
                continue
            if error is None:
                call.future.set_result(result)
            else:
                call.future.set_exception(raisable(error))

    def _abandon(self, call: ThreadCall) -> None:
        """Nobody waits for a call any more."""
        with self._lock:
            if call.state == "waiting":
                call.state = "ended"  # a thread passes it over
            if call.state == "ended":
                return
            call.leaked = True
        self._leaks.add()

    async def close(self) -> None:
        """End the threads; one that is still in a call is left to itself."""
        self._shut()
        for task, thread in self._lent.items():
            if thread.busy:
                task.cancel()
        if self._lent:
            await asyncio.wait(self._lent)

    def _shut(self) -> None:
        with self._lock:
            self._closed = True
            for thread in self._idle:
                thread.gate.release()
            self._idle.clear()

    def __repr__(self) -> str:
        return f"<ThreadPool of {self.name}: {len(self._threads)} threads, {self.leaked} leaked>"
