"""
The supervisor: starts children in order, restarts what fails, stops all in reverse order.

It owns one task per child, and dies by stopping them in reverse order. What to do about a failure is
decided in `core.restarts`; past the limit it fails in turn, with the child's error as the cause.
"""

import asyncio
import logging
import math
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import takewhile

import anyio
import attrs
from anyio.abc import TaskGroup

from partita.core.health import describe
from partita.core.restarts import Escalate, FailureKind, Restart, Strategy, Supervision
from partita.core.tally import Tally

Run = Callable[[], Awaitable[None]]
Judge = Callable[[str, BaseException], FailureKind]
_log = logging.getLogger("partita.supervisor")


@attrs.define(eq=False)
class Child:
    """
    One supervised task.

    Args:
        run: what it does; returning means that it is done for good.
        scope: cancels the run that is under way; None while it waits for its restart.
        ended: set when no run is under way.
    """

    run: Run
    scope: anyio.CancelScope | None = None
    ended: anyio.Event = attrs.field(factory=anyio.Event)


@attrs.frozen
class Ended:
    """A child's run is over: by itself, or with an error."""

    name: str
    error: BaseException | None


class Supervisor:
    """
    Runs children and restarts them.

    Args:
        name: for logs.
        supervision: strategy and limits.
        judge: what kind of failure a child's error is.
    """

    def __init__(self, name: str, supervision: Supervision, judge: Judge) -> None:
        self.name = name
        self.restarts = 0
        self._supervision = supervision
        self._judge = judge
        self._children: dict[str, Child] = {}
        self._tally = Tally()
        self._mailbox: deque[Ended] = deque()
        self._news = anyio.Event()
        self._stopping = False
        self._tasks: TaskGroup | None = None

    def add(self, name: str, run: Run) -> None:
        """Take on a child after all others, before `run`."""
        self._supervision.add(name)
        self._children[name] = Child(run)

    def stop(self) -> None:
        """Stop all children in reverse order; `run` returns then."""
        self._stopping = True
        self._news.set()

    async def run(self) -> None:
        """
        Start the children and stay until stopped, until all are done, or until one failed too often.

        Raises:
            RestartLimitReached: a child failed too often; its last error is the cause.
            BaseException: a child's own error that no restart can help.
        """
        failure: BaseException | None = None
        async with anyio.create_task_group() as self._tasks:
            for name in self._supervision.children:
                self._start(name)
            failure = await self._serve()
            await self._stop(self._supervision.stop_order)
            self._tasks.cancel_scope.cancel()
        self._tasks = None
        if failure is not None:
            raise failure

    async def _serve(self) -> BaseException | None:
        while not self._stopping and self._children:
            while self._mailbox:
                failure = await self._ended(self._mailbox.popleft())
                if failure is not None:
                    return failure
            if not self._stopping and self._children:
                await self._news.wait()
                self._news = anyio.Event()
        return None

    async def _ended(self, ended: Ended) -> BaseException | None:
        """Do what is to be done about an ended child; returns what the supervisor is to fail with."""
        if ended.error is None:
            self._supervision.remove(ended.name)
            del self._children[ended.name]
            return None
        kind = self._judge(ended.name, ended.error)
        now, chance = anyio.current_time(), random.random()
        decision = self._supervision.failed(ended.name, now, chance, kind)
        if isinstance(decision, Escalate):
            return self._escalate(ended, decision)
        await self._restart(ended, decision)
        return None

    def _escalate(self, ended: Ended, decision: Escalate) -> BaseException | None:
        if decision.limit is None:
            return ended.error  # whoever runs this supervisor is told by the error itself
        _log.error("%s gives up: %s failed: %s", self.name, ended.name, _told(ended.error))
        decision.limit.__cause__ = ended.error
        return decision.limit

    async def _restart(self, ended: Ended, decision: Restart) -> None:
        self.restarts += 1
        told = f"{ended.name} failed: {_told(ended.error)}"
        count = self._tally.failed(told, anyio.current_time())
        if count is not None:
            again = f"; {count} times since this was last said" if count > 1 else ""
            _log.warning("%s: %s; restart in %.1f s%s", self.name, told, decision.delay, again)
        await self._stop(decision.stop)
        assert self._tasks is not None  # it runs, or nothing could have ended
        self._tasks.start_soon(self._start_later, decision)

    async def _start_later(self, decision: Restart) -> None:
        await anyio.sleep(decision.delay)
        for name in decision.start:
            if not self._stopping and name in self._children and self._may_start(name):
                self._start(name)

    def _may_start(self, name: str) -> bool:
        """Whether what *name* builds on runs; if not, the restart of that one starts *name* too."""
        if self._supervision.strategy is Strategy.ONE_FOR_ONE:
            return True
        earlier = takewhile(lambda each: each != name, self._supervision.children)
        return all(self._children[each].scope is not None for each in earlier)

    def _start(self, name: str) -> None:
        child = self._children[name]
        # A failure of two children at once may ask for the start of one of them twice.
        if child.scope is not None:
            return
        child.scope, child.ended = anyio.CancelScope(), anyio.Event()
        assert self._tasks is not None  # the callers run inside the group
        self._tasks.start_soon(self._child, name, child, name=f"{self.name}/{name}")

    async def _child(self, name: str, child: Child) -> None:
        scope = child.scope
        assert scope is not None  # set by _start, which is the only one to call this
        error: BaseException | None = None
        try:
            with scope:
                await child.run()
        # Whatever ends a child is for the supervisor to judge, a stray CancelledError of a client too
        # (aiokafka 0.14 raises one from stop(), aio-libs/aiokafka#647). Only a real cancellation of
        # this task goes on up; nothing is half-done here, the child's own clean-up has run.
        except BaseException as caught:
            if isinstance(caught, asyncio.CancelledError) and _is_cancelled():
                raise
            error = caught
        finally:
            child.scope = None
            child.ended.set()
        if not scope.cancelled_caught:
            self._mailbox.append(Ended(name, error))
            self._news.set()

    async def _stop(self, names: Sequence[str]) -> None:
        for name in names:
            child = self._children[name]
            if child.scope is not None:
                child.scope.cancel()
                await child.ended.wait()


def _is_cancelled() -> bool:
    # Asked of the scopes: the task's own counter also counts what a handler's library left behind.
    return anyio.current_effective_deadline() == -math.inf


def _told(error: BaseException | None) -> str:
    return "" if error is None else describe(error)
