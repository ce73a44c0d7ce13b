"""
The baton: who reads, and what becomes of the slice in hand.

One worker of a pump holds it. While its handlers do not suspend it goes on alone and nothing is recorded; a
message whose handler suspends is opened when another worker takes the baton, and the slice goes on there.
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Mapping

from partita.actors.crew import Crew, Worker
from partita.actors.messages import OpenMessage
from partita.actors.partition import Partition
from partita.actors.routes import BoundRoute
from partita.core.ports import Flaw
from partita.core.slices import SECONDS, SliceLength

# Where several routes share a partition, or the only one has no call to spare, each message is looked at,
# as if a lane were busy.
MIXED: Mapping[Hashable, object] = {b"": None}


class Baton:
    """
    Held by at most one worker.

    Args:
        crew: the workers.

    Attributes:
        holder: who reads.
        handled: messages that were handled and not told of yet.
        turned: whether it went to another worker, and the loop had a turn with that, since a slice ended.
        clock: tells the loop's time in seconds.
    """

    __slots__ = ("_crew", "_length", "_turn", "clock", "handled", "holder", "turned")

    def __init__(self, crew: Crew) -> None:
        self.holder: Worker | None = None
        self.handled = 0
        self.turned = False
        self._crew = crew
        self._length = SliceLength()
        self._turn = 0.0
        self.clock: Callable[[], float] = float

    def start(self) -> None:
        """A loop runs. Its clock is kept, as asking for the loop is a system call on Python 3.11."""
        loop = asyncio.get_running_loop()
        usual = type(loop).time is asyncio.BaseEventLoop.time
        self.clock = time.monotonic if usual else loop.time  # the same, without a frame

    @property
    def suspended(self) -> bool:
        """Whether the holder is in the middle of a handler, seen from outside of it."""
        return self.holder is not None and self.holder.cell.record is not None

    def hold(self, worker: Worker, partition: Partition, room: int, alone: bool) -> None:
        """
        The baton is *worker*'s, for a slice of *partition*, or for what a demoted holder left of one.

        Args:
            worker: who reads.
            partition: what is read.
            room: how many messages may be started.
            alone: whether no other partition has work.
        """
        only = partition.routes.only
        worker.partition = worker.cell = partition
        worker.route, worker.message, worker.queued, worker.looked = only, None, 0, None
        if only is not None:
            worker.call = only.first
            free = only.unfinished < only.concurrency and only.batch is None
            worker.lanes = partition.lanes if free else MIXED
        else:
            worker.call, worker.lanes = partition.routes.call, MIXED
        self.holder = worker
        worker.slice, worker.size, worker.began = partition.rest, 0, self.clock()
        if worker.slice is None:
            worker.size = min(self._length.messages, room)
            worker.slice = partition.rest = partition.unread.slice(worker.size)
        # Behind a message in hand nothing else of a partition in order can begin.
        if only is None or only.order != "partition" or not alone:
            self._crew.follower()

    def demote(self, holder: Worker) -> None:
        """The holder is suspended in a handler: its message is open from now on, the baton free."""
        self.holder = None
        if holder.task.done():
            # It has crashed in this turn of the loop, and its callback has not run yet.
            self._crew.ended(holder, holder.task)
        else:
            self.open(holder)

    def open(self, worker: Worker, *, failed: bool = False) -> None:
        """The message that *worker* has in hand is unfinished from now on, or *failed* at once."""
        partition = worker.partition
        assert partition is not None  # there is a record in hand
        record, partition.record = partition.record, None
        route = worker.route or partition.routes.pick(record)
        # A user's key function may answer differently each time: what it said about the lane counts.
        flaw_of = partition.routes.flaw_of if failed else None
        flaw = flaw_of(record) if flaw_of is not None else None
        if flaw is not None:
            message = self._flawed(partition, record, route, flaw)
        else:
            key = worker.key if worker.looked is record else route.lane_of(record)
            message = OpenMessage(partition, record, route, key)
        worker.message, worker.looked, route = message, None, message.route
        message.calling, message.began = True, worker.began
        route.unfinished += 1
        worker.queued += 1  # as those behind it, it was read and is not handled
        self.count(worker, partition)
        partition.enter(message)

    def _flawed(self, partition: Partition, record: object, route: BoundRoute, flaw: Flaw) -> OpenMessage:
        """
        What is no record is in no lane. Nothing behind it is read while it is unfinished if it is more than
        one message, or the route is in order.
        """
        message = OpenMessage(partition, record, partition.routes.flawed(route, flaw), None)
        several = flaw.last_offset > message.offset or flaw.remains is None
        message.blocks = several or route.order == "partition"
        return message

    def lane(self, worker: Worker, record: object) -> bool:
        """Put the message in hand behind what it must wait for; False when there is nothing."""
        partition = worker.partition
        assert partition is not None  # there is a record in hand
        flaw_of = partition.routes.flaw_of
        if flaw_of is not None and flaw_of(record) is not None:
            return False  # it waits for nothing, and its call fails at once
        route = worker.route or partition.routes.pick(record)
        if route.batch is not None:
            partition.record = None
            partition.batches.add(record, route)
            return self._put_aside(worker, partition)
        key = route.lane_of(record)
        behind = key is not None and key in partition.lanes
        if not behind and route.unfinished < route.concurrency:
            worker.looked, worker.key = record, key
            return False
        message = OpenMessage(partition, record, route, key)
        partition.record = None
        partition.enter(message, behind=behind)
        if route.queued is not None:
            route.queued(record)
        if not behind:
            route.wait(message)
        return self._put_aside(worker, partition)

    def _put_aside(self, worker: Worker, partition: Partition) -> bool:
        worker.queued += 1
        if partition.serial:
            # What waits for a call is to be the only one of its partition.
            self.count(worker, partition)
            self.holder = None
        return True

    def count(self, worker: Worker, partition: Partition, seconds: float = 0.0) -> int:
        """
        Count what the holder has read and handled; returns how many messages it has read.

        Args:
            seconds: how long all that is handled took; 0: its time is counted with the message in hand.
        """
        taken = partition.unread.taken()
        done, worker.queued = taken - worker.queued, 0
        if done:
            partition.handled += done
            self.handled += done
            partition.figures.calls.add(seconds, done)
        return taken

    def slice_ended(self, worker: Worker, partition: Partition) -> bool:
        """The holder has read to the end of a slice; True when the loop is to have a turn."""
        now = self.clock()
        seconds = now - worker.began
        taken = self.count(worker, partition, seconds)
        worker.looked = None
        partition.read_past()
        partition.figures.calls.relieve()
        if worker.size:
            self._length.took(seconds, taken, worker.size)
        # Short slices share a turn of the loop; and where workers take turns, so does the loop. A yield would
        # find those whose handlers end just then with nothing to do.
        turned, self.turned = self.turned, False
        if not turned and now - self._turn < SECONDS:
            return False
        self._turn = now
        return not turned
