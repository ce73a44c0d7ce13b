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
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from partita.actors.batches import call_batch
from partita.actors.baton import Baton
from partita.actors.crew import NO_LANES, NOTHING, Crew, Worker
from partita.actors.endings import Endings, Notices
from partita.actors.messages import NO_CALL, OpenMessage
from partita.actors.partition import Partition
from partita.actors.reclaiming import reclaim
from partita.actors.routes import BoundRoute, Bury

# Messages after which it is said how many there were, while nobody rests.
ENOUGH = 100


class Pump:
    """
    The workers of one member.

    Args:
        workers: the most tasks: the concurrency of its routes, added up.
        notices: whom it tells.
        chance: a random number from 0 to 1, for the jitter of retries.
        partitions: those that it works on, asked for when it starts.
    """

    def __init__(
        self,
        workers: int,
        notices: Notices,
        chance: Callable[[], float] = random.random,
        partitions: Callable[[], Iterable[Partition]] = tuple,
    ) -> None:
        self._notices, self._partitions = notices, partitions
        self._endings = Endings(self.ready, notices, chance)
        self._crew = Crew(workers, self)
        self._ring: deque[Partition] = deque()
        self._baton = Baton(self._crew)

    async def run(self) -> None:
        """
        Be there for the workers until cancelled.

        Raises:
            Exception: a worker crashed; started again, the pump goes on with what the partitions hold.
        """
        self._baton.start()
        for each in self._partitions():
            reclaim(each, self._endings.serve)
            self.ready(each)
        try:
            await self._crew.run(starters=sum(len(each.due) or 1 for each in self._ring))
        finally:
            self._baton.holder = None

    def resize(self, workers: int) -> None:
        """There may be so many workers from now on, since routes may make more calls, or fewer."""
        self._crew.resize(workers)
        for each in self._partitions():
            self._endings.serve_all(each)
            self.ready(each)

    def close(self) -> None:
        """The crew is about to be dismissed: nothing is read after the message in hand."""
        holder = self._baton.holder
        if holder is not None and self._baton.suspended:
            # Its handler may take the cancellation for an end like any other.
            self._baton.demote(holder)

    def left(self, worker: Worker, error: BaseException | None) -> None:
        """A worker's task is over: what it was at is due again."""
        if isinstance(error, Exception) and worker.slice is not None and worker.message is None:
            # Reading failed after the message in hand was finished: handlers' errors do not come here.
            assert worker.partition is not None  # it was being read
            self._baton.count(worker, worker.partition)
            worker.partition.spoil(error)
        message = worker.message
        if message is not None and message.calling:
            message.calling = False
            message.route.unfinished -= 1
            message.partition.due.append(message)
            self.ready(message.partition)
            self._endings.serve(message.route)

    def ready(self, partition: Partition) -> None:
        """There is something to do for *partition*."""
        if not partition.queued:
            if not (partition.lease.takes_messages and (partition.due or partition.room)):
                return
            partition.queued = True
            self._ring.append(partition)
        if self._baton.holder is None or self._baton.suspended:
            self._crew.follower()

    def halt(self, partition: Partition) -> int:
        """Start nothing more of *partition*; returns how many of its handlers are running."""
        holder = self._baton.holder
        if holder is not None and holder.partition is partition and partition.record is not None:
            self._baton.demote(holder)
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
        # One that was to begin here next will not, and others waited for it.
        self._endings.serve_all(partition)

    async def work(self, worker: Worker) -> None:
        """The hot loop: choose, call handlers, settle, until the crew closes."""
        baton = self._baton
        while self._next(worker) or await self._rest(worker):
            cell, call, lanes = worker.cell, worker.call, worker.lanes
            failure: BaseException | None = None
            for record in worker.slice or ():
                cell.record = record
                try:
                    await (call(record) if not lanes or not baton.lane(worker, record) else NOTHING)
                # A barrier: whatever a handler raises is its message's outcome; the end of this task
                # and a handler that is given up are told apart in _caught.
                except BaseException as error:  # noqa: BLE001
                    failure = self._caught(worker, error)
                    break
                if baton.holder is not worker:
                    break
            record = None  # a parked frame holds no record
            if self._after(worker, failure):
                await asyncio.sleep(0)

    def _next(self, worker: Worker) -> bool:
        """Choose what *worker* does; False when there is nothing."""
        crew = self._crew
        if crew.called is worker:
            crew.called = None
        if worker.slice is not None:
            if self._ring:
                crew.follower()
            return not crew.closing
        holder = self._baton.holder
        if holder is not None and holder is not worker:
            if holder.cell.record is None and not holder.task.done():
                return False  # it only lets the loop have a turn, and goes on then
            self._baton.demote(holder)
        self._baton.turned |= holder is not worker
        self._baton.holder = None
        while self._ring and not crew.closing:
            partition = self._ring[0]
            if partition.due and partition.lease.takes_messages:
                if self._begin(worker, partition.due.popleft()):
                    crew.follower()
                    return True
                continue
            room = partition.room
            if room:
                self._baton.hold(worker, partition, room, len(self._ring) == 1)
                return True
            self._ring.popleft()
            partition.queued = False
        return False

    async def _rest(self, worker: Worker) -> bool:
        """Wait until there is something to do; False at the end."""
        self._tell()
        while not (self._crew.closing or self._crew.surplus):
            await self._crew.park(worker)
            if self._next(worker):
                return True
        return False

    def _begin(self, worker: Worker, message: OpenMessage) -> bool:
        """*worker* is to call the handler of an open message; False when its route has no call to spare."""
        route = message.route
        if route.unfinished >= route.concurrency:
            route.wait(message)
            return False
        worker.partition, worker.cell, worker.message = message.partition, worker, message
        worker.call, worker.lanes = route.first, NO_LANES
        if message.burying and route.bury is not None:
            worker.call = partial(_bury, route.bury, message)
        elif route.batch is not None:
            worker.call = partial(call_batch, message)
        elif message.attempt > 1:
            worker.call = partial(_again, message)
        worker.slice = (message.record,)
        message.calling = True
        message.began = NO_CALL if message.burying else self._baton.clock()
        route.unfinished += 1
        return True

    def _caught(self, worker: Worker, error: BaseException) -> BaseException:
        """What a handler's call failed with; the end of this task goes on up."""
        if isinstance(error, asyncio.CancelledError) and self._crew.closing:
            raise error
        return error

    def _after(self, worker: Worker, failure: BaseException | None) -> bool:
        """Settle what was done; True when the loop is to have a turn before the next."""
        partition, held = worker.partition, self._baton.holder is worker
        assert partition is not None  # something was done
        worker.slice = None
        if failure is not None and worker.message is None:
            self._baton.open(worker, failed=True)
        message, worker.message = worker.message, None
        if message is None:
            # It has read a slice to its end, or may start no more of one, and then the baton is free.
            return self._slice_ended(worker, partition) if held else False
        worker.cell = worker
        if held:
            self._baton.holder = None
        self._settle(worker, message, failure)
        return False

    def _slice_ended(self, worker: Worker, partition: Partition) -> bool:
        turn = self._baton.slice_ended(worker, partition)
        self._ring.rotate(-1)
        partition.batches.hurry()
        self._tell()
        if partition.quiet:
            self._notices.idle()
        return turn

    def _settle(self, worker: Worker, message: OpenMessage, failure: BaseException | None) -> None:
        """The handler of an open message has ended: finish it and go on behind it, or see to its failure."""
        partition, route = message.partition, message.route
        message.calling = False
        route.unfinished -= 1
        given_up, worker.given_up = worker.given_up, False
        while worker.task.cancelling():
            # A handler that was given up may end in any way; the next must not find itself cancelled.
            worker.task.uncancel()
        if failure is None and route.batch is None and not message.burying and partition.lease.takes_messages:
            partition.figures.calls.recent.append(self._baton.clock() - message.began)
            follow = partition.leave(message)
        elif failure is None or not given_up:
            follow = self._see_to(message, failure)
        else:
            follow = None
        if follow is not None:
            self._follow(worker, route, follow)
        if not partition.lease.takes_messages:
            partition.call_ended()
        if route.waiting:
            self._endings.serve(route)
        if not partition.queued:
            self.ready(partition)
        self._baton.handled += failure is None
        if self._baton.handled >= ENOUGH:
            self._tell()
        if not partition.open and partition.quiet:
            self._notices.idle()

    def _see_to(self, message: OpenMessage, failure: BaseException | None) -> OpenMessage | None:
        if message.began >= 0:
            message.partition.figures.calls.add(self._baton.clock() - message.began, 1)
        if message.route.batch is None or message.burying:
            return self._endings.see_to(message, failure)
        message.partition.batches.ended(message, failure, self._endings)
        return None

    def _follow(self, worker: Worker, route: BoundRoute, follow: OpenMessage) -> None:
        if follow.route is route:
            self._begin(worker, follow)
        else:
            # The holder may be in a call of that route, which is not counted before it is demoted.
            self._endings.due(follow)

    def _tell(self) -> None:
        """Say how many messages were handled since this was last said."""
        handled, self._baton.handled = self._baton.handled, 0
        if handled:
            self._notices.finished(handled)


def _again(message: OpenMessage, record: object) -> Awaitable[object]:
    return message.route.call(record, message.attempt)


def _bury(bury: Bury, message: OpenMessage, record: object) -> Awaitable[object]:
    return bury(message)
