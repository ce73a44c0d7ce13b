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
import random
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Mapping
from functools import partial

from partita.actors.crew import NO_LANES, NOTHING, Crew, Worker
from partita.actors.endings import Endings, Notices
from partita.actors.partition import OpenMessage, Partition
from partita.actors.routes import Bury
from partita.core.slices import SliceLength

# Where several routes share a partition, or the only one has no call to spare, each message is looked at,
# as if a lane were busy.
MIXED: Mapping[Hashable, object] = {b"": None}


class Pump:
    """
    The workers of one member.

    Args:
        workers: the most tasks: the concurrency of its routes, added up.
        notices: whom it tells.
        chance: a random number from 0 to 1, for the jitter of retries.
    """

    def __init__(self, workers: int, notices: Notices, chance: Callable[[], float] = random.random) -> None:
        self._notices = notices
        self._endings = Endings(self.ready, notices, chance)
        self._crew = Crew(workers, self)
        self._ring: deque[Partition] = deque()
        self._baton: Worker | None = None
        self._length = SliceLength()
        self._began = 0.0

    async def run(self) -> None:
        """
        Be there for the workers until cancelled.

        Raises:
            Exception: a worker crashed; started again, the pump goes on with what the partitions hold.
        """
        try:
            await self._crew.run(starters=sum(len(each.due) or 1 for each in self._ring))
        finally:
            self._baton = None

    def close(self) -> None:
        """The crew is about to be dismissed: nothing is read after the message in hand."""
        if self._baton is not None and self._baton.record is not None:
            # Its handler may take the cancellation for an end like any other.
            self._demote(self._baton)

    def left(self, worker: Worker, error: BaseException | None) -> None:
        """A worker's task is over: what it was at is due again."""
        if isinstance(error, Exception) and worker.slice is not None and worker.message is None:
            # Reading failed after the message in hand was finished: handlers' errors do not come here.
            assert worker.partition is not None  # it was being read
            worker.partition.read_past(False)
            worker.partition.spoil(error)
            worker.record = None
        message = worker.message
        if message is not None and message.calling:
            message.calling = False
            message.route.unfinished -= 1
            message.partition.due.append(message)
            self.ready(message.partition)
            self._endings.serve(message.route)

    def ready(self, partition: Partition) -> None:
        """There is something to do for *partition*."""
        if not partition.queued and partition.lease.takes_messages and (partition.due or partition.readable):
            partition.queued = True
            self._ring.append(partition)
            if self._baton is None:
                self._crew.follower()

    def halt(self, partition: Partition) -> int:
        """Start nothing more of *partition*; returns how many of its handlers are running."""
        holder = self._baton
        if holder is not None and holder.partition is partition and holder.record is not None:
            self._demote(holder)
            self._crew.follower()
        return sum(each.calling for each in partition.open.values())

    def give_up(self, partition: Partition) -> None:
        """Cancel the handlers of *partition* that still run; their messages stay unfinished."""
        self.halt(partition)
        for worker in self._crew:
            message = worker.message
            if message is not None and message.calling and message.partition is partition:
                worker.given_up = True
                worker.task.cancel()
        for route in partition.routes.kinds.values():
            # One that was to begin here next will not, and others waited for it.
            for _ in range(len(route.waiting)):
                self._endings.serve(route)

    async def work(self, worker: Worker) -> None:
        """The hot loop: choose, call handlers, settle, until the crew closes."""
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
                self._crew.follower()
            return not self._crew.closing
        holder = self._baton
        if holder is not None and holder is not worker:
            if holder.record is None and not holder.task.done():
                return False  # it only lets the loop have a turn, and goes on then
            self._demote(holder)
        self._baton = None
        while self._ring and not self._crew.closing:
            partition = self._ring[0]
            if partition.due and partition.lease.takes_messages:
                if self._begin(worker, partition.due.popleft()):
                    self._crew.follower()
                    return True
                continue
            if partition.readable:
                self._hold(worker, partition)
                return True
            self._ring.popleft()
            partition.queued = False
        return False

    async def _rest(self, worker: Worker) -> bool:
        """Wait until there is something to do; False at the end."""
        while not self._crew.closing:
            await self._crew.park(worker)
            if self._next(worker):
                return True
        return False

    def _hold(self, worker: Worker, partition: Partition) -> None:
        """The baton is *worker*'s, for a slice of *partition*."""
        only = partition.routes.only
        worker.partition = worker.cell = partition
        worker.message, worker.attempt, worker.queued = None, 1, 0
        worker.call = only.call if only is not None else partition.routes.call
        free = only is not None and only.unfinished < only.concurrency
        worker.lanes = partition.lanes if free else MIXED
        worker.size = self._length.messages
        worker.slice = partition.slice(worker.size)
        self._baton = worker
        self._began = asyncio.get_running_loop().time()
        self._crew.follower()

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
        if not self._crew.look_after(holder):
            self._open(holder)

    def _open(self, worker: Worker) -> OpenMessage:
        partition = worker.partition
        assert partition is not None  # there is a record in hand
        route = partition.routes.pick(worker.record)
        message = OpenMessage(partition, worker.record, route, route.lane_of(worker.record))
        worker.message, worker.record, partition.record = message, None, None
        message.calling = True
        route.unfinished += 1
        partition.enter(message)
        return message

    def _lane(self, worker: Worker) -> bool:
        """Put the message in hand behind what it must wait for; False when there is nothing."""
        partition = worker.partition
        assert partition is not None  # there is a record in hand
        route = partition.routes.pick(worker.record)
        key = route.lane_of(worker.record)
        lane = partition.lanes.get(key) if key is not None else None
        if lane is None and route.unfinished < route.concurrency:
            return False
        message = OpenMessage(partition, worker.record, route, key)
        worker.record = partition.record = None
        partition.enter(message, lane)
        if route.queued is not None:
            route.queued(message.record)
        if lane is None:
            route.waiting.append(message)
        if partition.readable:
            worker.queued += 1
        else:
            self._baton = None
        return True

    def _caught(self, worker: Worker, error: BaseException) -> BaseException:
        """What a handler's call failed with; the end of this task goes on up."""
        if isinstance(error, asyncio.CancelledError) and self._crew.closing:
            raise error
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
            spent = asyncio.get_running_loop().time() - self._began
            self._length.took(spent, count, worker.size)
        if self._ring and self._ring[0] is partition:
            self._ring.rotate(-1)
        self._notices.finished(handled)
        if partition.quiet:
            self._notices.idle()

    def _settle(self, worker: Worker, message: OpenMessage, failure: BaseException | None) -> None:
        """The handler of an open message has ended: finish it and go on behind it, or see to its failure."""
        partition, route = message.partition, message.route
        message.calling = False
        route.unfinished -= 1
        given_up, worker.given_up = worker.given_up, False
        while worker.task.cancelling():
            # A handler that was given up may end in any way; the next must not find itself cancelled.
            worker.task.uncancel()
        if failure is None or not given_up:
            follow = self._endings.see_to(message, failure)
            if follow is not None and follow.route is route:
                self._begin(worker, follow)
            elif follow is not None:
                # The holder may be in a call of that route, which is not counted before it is demoted.
                self._endings.due(follow)
        if not partition.lease.takes_messages:
            partition.call_ended()
        self._endings.serve(route)
        self.ready(partition)
        self._notices.finished(failure is None)
        if partition.quiet:
            self._notices.idle()


def _bury(bury: Bury, message: OpenMessage, record: object, attempt: int) -> Awaitable[object]:
    return bury(message)
