"""
The crew: a pump's workers. They are tasks, started on demand, parked while there is nothing to do.

It owns the tasks and dies with its pump; a worker that crashes makes the crew fail.
"""

import asyncio
from collections.abc import Generator, Hashable, Iterable, Iterator, Mapping
from functools import partial
from typing import Protocol

import anyio

from partita.actors.messages import OpenMessage
from partita.actors.partition import Partition
from partita.actors.routes import BoundRoute, First

NO_LANES: Mapping[Hashable, object] = {}


class Nothing:
    """What is awaited instead of a handler for a message that went into a lane."""

    def __await__(self) -> Generator[object, None, object]:
        yield from ()
        return None


NOTHING = Nothing()


class Worker:
    """One task, and what it works on."""

    __slots__ = ("began", "call", "cell", "ended", "given_up", "key", "lanes", "looked", "message",
                 "partition", "queued", "record", "route", "size", "slice", "task", "waiter")  # fmt: skip

    def __init__(self) -> None:
        self.task: asyncio.Task[None]
        self.partition: Partition | None = None
        self.message: OpenMessage | None = None
        self.slice: Iterable[object] | None = None
        self.record: object = None
        self.cell: Worker | Partition = self
        self.route: BoundRoute | None = None
        self.call: First
        self.lanes = NO_LANES
        self.looked: object = None
        self.key: Hashable = None
        self.queued = self.size = 0
        self.began = 0.0
        self.waiter: asyncio.Future[None] | None = None
        self.given_up = self.ended = False


class Work(Protocol):
    """What a crew is there for."""

    async def work(self, worker: Worker) -> None:
        """What a worker's task does, until the crew closes."""
        ...

    def close(self) -> None:
        """The workers are about to be cancelled."""
        ...

    def left(self, worker: Worker, error: BaseException | None) -> None:
        """A worker's task is over, with the error that it crashed of."""
        ...


class Crew:
    """
    Workers, at most so many.

    Args:
        most: how many.
        work: what they do.

    Attributes:
        called: the follower that was woken and has not run yet; one at a time is enough.
    """

    def __init__(self, most: int, work: Work) -> None:
        self.closing = False
        self.called: Worker | None = None
        self._most, self._work = most, work
        self._idle: list[Worker] = []
        self._workers: list[Worker] = []
        self._crash: asyncio.Future[None] | None = None

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._workers)

    async def run(self, starters: int) -> None:
        """
        Be there until cancelled; *starters* workers begin at once.

        Raises:
            Exception: a worker crashed.
        """
        self._crash = asyncio.get_running_loop().create_future()
        self.closing = False
        for _ in range(starters):
            self.follower()
        try:
            await self._crash
        finally:
            self.closing = True
            await self._dismiss()

    async def _dismiss(self) -> None:
        self._work.close()
        tasks = [worker.task for worker in self._workers]
        for task in tasks:
            task.cancel()
        if tasks:
            # Handlers are being cancelled, and what they held is given back when they have ended:
            # bounded by how long a handler takes to end.
            with anyio.CancelScope(shield=True):
                await asyncio.wait(tasks)
        self._workers, self._idle, self.called = [], [], None

    def follower(self) -> None:
        """Somebody stands by: an idle worker is woken, or a new one started while there may be more."""
        if self.called is not None:
            return
        if self._idle:
            worker = self.called = self._idle.pop()
            _wake(worker)
        elif len(self._workers) < self._most and not self.closing and self._crash is not None:
            worker = self.called = Worker()
            self._workers.append(worker)
            worker.task = asyncio.get_running_loop().create_task(self._work.work(worker))
            worker.task.add_done_callback(partial(self.ended, worker))

    def resize(self, most: int) -> None:
        """There may be so many; those that are too many end when they have nothing to do."""
        self._most = most
        idle, self._idle = self._idle, []
        for worker in idle if self.surplus else ():
            _wake(worker)
        self._idle = [] if self.surplus else idle

    @property
    def surplus(self) -> bool:
        """Whether there are more than there may be."""
        return len(self._workers) > self._most

    async def park(self, worker: Worker) -> None:
        """Wait until somebody is to stand by."""
        worker.waiter = asyncio.get_running_loop().create_future()
        self._idle.append(worker)
        await worker.waiter

    def ended(self, worker: Worker, task: asyncio.Task[None]) -> None:
        """A worker's task is over: by the end of the crew, or because it crashed. Twice is once."""
        if worker.ended:
            return
        worker.ended = True
        if self.called is worker:
            self.called = None
        error = None if task.cancelled() else task.exception()
        self._work.left(worker, error)
        if error is not None and self._crash is not None and not self._crash.done():
            self._crash.set_exception(error)
        elif error is None and not self.closing:
            # A timer that a handler left behind has cancelled it between two calls; another takes its place.
            self._workers.remove(worker)
            self._idle = [each for each in self._idle if each is not worker]
            self.follower()


def _wake(worker: Worker) -> None:
    if worker.waiter is not None and not worker.waiter.done():
        worker.waiter.set_result(None)
