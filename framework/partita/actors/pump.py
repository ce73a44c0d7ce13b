"""
The pump: the one hot loop. It lends a member's workers to its partitions in turn, and awaits handlers.

Workers are tasks, started on demand. The one that holds the **baton** reads a slice of a partition and
awaits a handler for each message; while no handler suspends it goes on alone and records nothing. When a
handler suspends, a follower runs, sees the holder in mid-handler, *demotes* it (its message is open from
then on, its key's lane busy) and takes the baton. A demoted worker finishes its message, serves the lane
behind it, and then competes for the baton again. A message whose handler failed is open too, and waits for
its next attempt without holding a worker.

A handler's exception is an outcome, never a crash. Between a worker and a plain handler stands no frame.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Hashable, Iterable, Mapping
from functools import partial
from typing import Protocol

import anyio

from partita.actors.holds import Postponed
from partita.actors.partition import OpenMessage, Partition
from partita.actors.routes import BoundRoute, Bury, Call
from partita.core.retries import PARKED_WAIT, Exhausted, after_failure

FIRST_SLICE, SHORTEST_SLICE, LONGEST_SLICE = 64, 1, 4096
SLICE_SECONDS = 0.002
POSTPONED_SECONDS = 0.2
NO_LANES: Mapping[Hashable, object] = {}
# Where several routes share a partition each message is looked at, as if a lane were busy.
MIXED: Mapping[Hashable, object] = {b"": None}
_log = logging.getLogger("partita.pump")


class Notices(Protocol):
    """Whom a pump tells what happened."""

    def finished(self, count: int) -> None:
        """*count* more messages are handled."""
        ...

    def idle(self) -> None:
        """A partition has nothing left to do."""
        ...

    def stop_requested(self, error: BaseException) -> None:
        """A handler asked the process to stop."""
        ...


class Nothing:
    """What is awaited instead of a handler for a message that went into a lane."""

    def __await__(self) -> Generator[object, None, object]:
        yield from ()
        return None


NOTHING = Nothing()


class Worker:
    """One task, and what it works on."""

    __slots__ = ("attempt", "call", "cell", "ended", "given_up", "lanes", "message", "partition", "queued",
                 "record", "size", "slice", "task", "waiter")  # fmt: skip

    def __init__(self) -> None:
        self.task: asyncio.Task[None]
        self.partition: Partition | None = None
        self.message: OpenMessage | None = None
        self.slice: Iterable[object] | None = None
        self.record: object = None
        self.cell: Worker | Partition = self
        self.call: Call
        self.attempt = 1
        self.lanes = NO_LANES
        self.queued = self.size = 0
        self.waiter: asyncio.Future[None] | None = None
        self.given_up = self.ended = False


class Pump:
    """
    The workers of one member.

    Args:
        workers: the most tasks: the concurrency of its routes, added up.
        notices: whom it tells.
        chance: a random number from 0 to 1, for the jitter of retries.
    """

    def __init__(self, workers: int, notices: Notices, chance: Callable[[], float] = random.random) -> None:
        self._most = workers
        self._notices = notices
        self._chance = chance
        self._ring: deque[Partition] = deque()
        self._baton: Worker | None = None
        self._idle: list[Worker] = []
        self._workers: list[Worker] = []
        self._size = FIRST_SLICE
        self._began = 0.0
        self._closing = False
        self._crash: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """
        Be there for the workers until cancelled.

        Raises:
            Exception: a worker crashed; started again, the pump goes on with what the partitions hold.
        """
        self._crash = asyncio.get_running_loop().create_future()
        self._closing = False
        for partition in self._ring:
            for _ in partition.due or (None,):
                self._follower()
        try:
            await self._crash
        finally:
            self._closing = True
            await self._dismiss()

    async def _dismiss(self) -> None:
        """End every worker; what they were at is due again, for when the pump is started again."""
        tasks = [worker.task for worker in self._workers]
        for task in tasks:
            task.cancel()
        if tasks:
            # Handlers are being cancelled, and what they held is sorted out below: bounded by how long
            # a handler takes to end.
            with anyio.CancelScope(shield=True):
                await asyncio.wait(tasks)
        self._workers, self._idle, self._baton = [], [], None

    def _ended(self, worker: Worker, task: asyncio.Task[None]) -> None:
        """A worker's task is over: by the end of the pump, or because it crashed. Twice is once."""
        if worker.ended:
            return
        worker.ended = True
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception) and worker.slice is not None and worker.message is None:
            # Reading failed after the message in hand was finished: handlers' errors do not come here.
            assert worker.partition is not None  # it was being read
            worker.partition.read_past(False)
            worker.partition.spoil(error)
            worker.record = None
        self._give_back(worker)
        if error is not None and self._crash is not None and not self._crash.done():
            self._crash.set_exception(error)

    def _give_back(self, worker: Worker) -> None:
        """What a worker was at is due again."""
        if worker.message is None and worker.record is not None:
            self._open(worker)
        message = worker.message
        if message is not None and message.calling:
            message.calling = False
            message.route.unfinished -= 1
            message.partition.due.append(message)
            self.ready(message.partition)

    def ready(self, partition: Partition) -> None:
        """There is something to do for *partition*."""
        if not partition.queued and partition.lease.takes_messages and (partition.due or partition.readable):
            partition.queued = True
            self._ring.append(partition)
            if self._baton is None:
                self._follower()

    def halt(self, partition: Partition) -> int:
        """Start nothing more of *partition*; returns how many of its handlers are running."""
        holder = self._baton
        if holder is not None and holder.partition is partition and holder.record is not None:
            self._demote(holder)
            self._follower()
        return sum(each.calling for each in partition.open.values())

    def give_up(self, partition: Partition) -> None:
        """Cancel the handlers of *partition* that still run; their messages stay unfinished."""
        self.halt(partition)
        for worker in self._workers:
            message = worker.message
            if message is not None and message.calling and message.partition is partition:
                worker.given_up = True
                worker.task.cancel()

    async def _work(self, worker: Worker) -> None:
        while self._next(worker) or await self._rest(worker):
            cell, call, attempt, lanes = worker.cell, worker.call, worker.attempt, worker.lanes
            failure: BaseException | None = None
            count = 0
            for record in worker.slice or ():
                worker.record = cell.record = record
                try:
                    await (call(record, attempt) if not lanes or not self._lane(worker) else NOTHING)
                # A barrier: whatever a handler raises is its message's outcome; the end of this task
                # and a handler that is given up are told apart in _caught.
                except BaseException as error:  # noqa: BLE001
                    failure = self._caught(worker, error)
                    break
                if self._baton is not worker:
                    break
                count += 1
            record = None  # a parked frame holds no record
            if self._after(worker, count, failure):
                await asyncio.sleep(0)

    def _next(self, worker: Worker) -> bool:
        """Choose what *worker* does; False when there is nothing."""
        if worker.slice is not None:
            if self._ring:
                self._follower()
            return True
        holder = self._baton
        if holder is not None and holder is not worker:
            if holder.record is None and not holder.task.done():
                return False  # it only lets the loop have a turn, and goes on then
            self._demote(holder)
        self._baton = None
        while self._ring and not self._closing:
            partition = self._ring[0]
            if partition.due and partition.lease.takes_messages:
                if self._begin(worker, partition.due.popleft()):
                    self._follower()
                    return True
                continue
            if partition.readable:
                self._hold(worker, partition)
                return True
            self._ring.popleft()
            partition.queued = False
        return False

    async def _rest(self, worker: Worker) -> bool:
        """Wait until there may be something to do; True when there is."""
        while not self._closing:
            worker.waiter = asyncio.get_running_loop().create_future()
            self._idle.append(worker)
            await worker.waiter
            if self._next(worker):
                return True
        return False

    def _follower(self) -> None:
        """Somebody stands by to go on if the holder suspends."""
        if self._idle:
            waiter = self._idle.pop().waiter
            if waiter is not None and not waiter.done():
                waiter.set_result(None)
        elif len(self._workers) < self._most and not self._closing and self._crash is not None:
            worker = Worker()
            self._workers.append(worker)
            worker.task = asyncio.get_running_loop().create_task(self._work(worker))
            worker.task.add_done_callback(partial(self._ended, worker))

    def _hold(self, worker: Worker, partition: Partition) -> None:
        """The baton is *worker*'s, for a slice of *partition*."""
        only = partition.routes.only
        worker.partition = worker.cell = partition
        worker.message, worker.attempt, worker.queued = None, 1, 0
        worker.call = only.call if only is not None else partition.routes.call
        worker.lanes = partition.lanes if only is not None else MIXED
        worker.size, worker.slice = self._size, partition.slice(self._size)
        self._baton = worker
        self._began = asyncio.get_running_loop().time()
        self._follower()

    def _begin(self, worker: Worker, message: OpenMessage) -> bool:
        """*worker* is to call the handler of an open message; False when its route has no call to spare."""
        if message.route.unfinished >= message.route.concurrency:
            message.route.waiting.append(message)
            return False
        worker.partition, worker.cell = message.partition, worker
        worker.message, worker.attempt = message, message.attempt
        worker.call, worker.lanes = message.route.call, NO_LANES
        if message.burying and message.route.bury is not None:
            worker.call = partial(_bury, message.route.bury, message)
        worker.slice = (message.record,)
        message.calling = True
        message.route.unfinished += 1
        return True

    def _demote(self, holder: Worker) -> None:
        """The holder is suspended in a handler: its message is open from now on, the baton free."""
        self._baton = None
        if holder.task.done():
            # It crashed in this turn of the loop, and its callback has not run yet.
            self._ended(holder, holder.task)
        else:
            self._open(holder)

    def _open(self, worker: Worker) -> OpenMessage:
        partition = worker.partition
        assert partition is not None  # there is a record in hand
        message = OpenMessage(partition, worker.record, partition.routes.pick(worker.record))
        worker.message, worker.record, partition.record = message, None, None
        message.calling = True
        message.route.unfinished += 1
        partition.enter(message)
        return message

    def _lane(self, worker: Worker) -> bool:
        """Put the message in hand behind what it must wait for; False when there is nothing."""
        partition = worker.partition
        assert partition is not None  # there is a record in hand
        route = partition.routes.pick(worker.record)
        key = route.key_of(worker.record) if route.order == "key" else None
        lane = partition.lanes.get(key) if key is not None else None
        if lane is None and route.unfinished < route.concurrency:
            return False
        message = OpenMessage(partition, worker.record, route)
        worker.record = partition.record = None
        partition.enter(message, lane)
        if lane is None:
            route.waiting.append(message)
        if partition.readable:
            worker.queued += 1
        else:
            self._baton = None
        return True

    def _caught(self, worker: Worker, error: BaseException) -> BaseException:
        """What a handler's call failed with; the end of this task goes on up."""
        if isinstance(error, asyncio.CancelledError):
            if self._closing:
                raise error
            while worker.task.cancelling():
                worker.task.uncancel()
        return error

    def _after(self, worker: Worker, count: int, failure: BaseException | None) -> bool:
        """Settle what was done; True when the loop is to have a turn before the next."""
        partition, held = worker.partition, self._baton is worker
        assert partition is not None  # something was done
        worker.slice = None
        if worker.message is None and failure is not None:
            self._open(worker)
        message, worker.record, worker.message = worker.message, None, None
        if worker.cell is partition:
            self._slice_ended(worker, partition, count, held and message is None)
        if message is None:
            return True
        if held:
            self._baton = None
        self._settle(worker, message, failure)
        return False

    def _slice_ended(self, worker: Worker, partition: Partition, count: int, whole: bool) -> None:
        """Count what the holder handled without suspending; *whole*: it read to the end of its slice."""
        handled = count - worker.queued
        partition.handled += handled
        if whole:
            partition.read_past(count < worker.size)
            self._pace(count, worker.size)
        if self._ring and self._ring[0] is partition:
            self._ring.rotate(-1)
        self._notices.finished(handled)
        if partition.quiet:
            self._notices.idle()

    def _pace(self, count: int, size: int) -> None:
        """A slice is to take about 2 ms, so that other partitions and the client have their turns."""
        spent = asyncio.get_running_loop().time() - self._began
        if spent > 2 * SLICE_SECONDS:
            self._size = max(SHORTEST_SLICE, size // 2)
        elif spent < SLICE_SECONDS / 2 and count == size:
            self._size = min(LONGEST_SLICE, size * 2)

    def _settle(self, worker: Worker, message: OpenMessage, failure: BaseException | None) -> None:
        """The handler of an open message has ended: finish it and go on behind it, or see to its failure."""
        partition, route = message.partition, message.route
        message.calling = False
        route.unfinished -= 1
        given_up, worker.given_up = worker.given_up, False
        if failure is None and partition.lease.may_commit:
            self._leave(worker, message, failed=message.burying)
        elif failure is not None and not given_up:
            self._failed(worker, message, failure)
        if not partition.lease.takes_messages:
            partition.call_ended()
        self._serve(route)
        self.ready(partition)
        self._notices.finished(failure is None)
        if partition.quiet:
            self._notices.idle()

    def _serve(self, route: BoundRoute) -> None:
        """A call of *route* has ended, so one that waited for that may begin."""
        while route.waiting and route.unfinished < route.concurrency:
            message = route.waiting.popleft()
            if message.partition.lease.takes_messages:
                message.partition.due.append(message)
                self.ready(message.partition)
                return

    def _leave(self, worker: Worker, message: OpenMessage, *, failed: bool) -> None:
        """A message is finished or given up: *worker* goes on with the one behind it."""
        follow = message.partition.leave(message, failed=failed)
        if follow is not None and message.partition.lease.takes_messages:
            self._begin(worker, follow)

    def _failed(self, worker: Worker, message: OpenMessage, failure: BaseException) -> None:
        """Try again later, or see to its end; a message that waits stays unfinished and holds no worker."""
        if isinstance(failure, SystemExit | KeyboardInterrupt):
            self._notices.stop_requested(failure)
        if not message.partition.lease.takes_messages:
            return
        if isinstance(failure, Postponed):
            # Nothing of the message has begun, so no attempt is spent.
            self._again(message, POSTPONED_SECONDS)
            return
        if message.burying:
            self._park(message, failure)
            return
        message.first, message.last = message.first or failure, failure
        decision = after_failure(message.route.retry, message.attempt, failure, self._chance())
        if isinstance(decision, Exhausted):
            self._exhausted(worker, message, failure)
            return
        message.attempt += 1
        self._again(message, decision.wait)

    def _exhausted(self, worker: Worker, message: OpenMessage, failure: BaseException) -> None:
        """No attempt is left: dead letter, drop, or park."""
        if message.route.bury is not None:
            message.burying = True
            self._due(message)
        elif message.route.drop:
            told = message.park(failure, 0.0)
            _log.error("dropped %s", told)
            self._leave(worker, message, failed=True)
        else:
            message.attempt += 1
            self._park(message, failure)

    def _park(self, message: OpenMessage, failure: BaseException) -> None:
        again = message.parked is not None
        told = message.park(failure, asyncio.get_running_loop().time())
        if not again:
            _log.error("parked %s", told)
        self._notices.idle()
        self._again(message, PARKED_WAIT)

    def _again(self, message: OpenMessage, seconds: float) -> None:
        message.timer = asyncio.get_running_loop().call_later(seconds, self._due, message)

    def _due(self, message: OpenMessage) -> None:
        message.timer = None
        message.partition.due.append(message)
        self.ready(message.partition)


def _bury(bury: Bury, message: OpenMessage, record: object, attempt: int) -> Awaitable[object]:
    return bury(message)
