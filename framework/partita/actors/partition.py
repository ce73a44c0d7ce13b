"""
A partition that this process owns: what has arrived and is unread, what is unfinished, and its ledger.

It belongs to a consumer and lives as long as one lease. The consumer's pump (pump.py) works on it; when
the pump crashes it starts again with what stands here, so that no message is skipped or repeated.
"""

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Protocol

import anyio

from partita.actors.batches import Batches
from partita.actors.messages import OpenMessage
from partita.actors.routes import TopicRoutes
from partita.actors.unread import Unread
from partita.core.deaths import Deaths
from partita.core.figures import Figures
from partita.core.finished import Finished
from partita.core.flow import FlowGate
from partita.core.health import Parked
from partita.core.leases import Lease
from partita.core.ledger import Ledger
from partita.core.ports import Commit, Fetch, TopicPartition


class Readying(Protocol):
    """Whom a partition tells that it has work: its pump."""

    def ready(self, partition: "Partition") -> None:
        """There is something to do for *partition*."""
        ...

    def halt(self, partition: "Partition") -> int:
        """Start nothing more of *partition*; returns how many of its handlers are running."""
        ...


class Partition:
    """
    One owned partition.

    Args:
        lease: this assignment of it.
        routes: the routes of its topic.
        gate: bounds what may wait here and how much may be unfinished.
        pump: works on it.
    """

    def __init__(self, lease: Lease, routes: TopicRoutes, gate: FlowGate, pump: Readying) -> None:
        self.lease, self.routes, self.gate = lease, routes, gate
        self.ledger = Ledger()
        self.offset_of = routes.reader.offset
        self.record: object = None
        self.rest: Iterator[object] | None = None
        self.open: dict[int, OpenMessage] = {}
        self.lanes: dict[Hashable, deque[OpenMessage] | None] = {}
        self.due: deque[OpenMessage] = deque()
        self.serial = self.paused = False
        self.blocked = 0
        self.queued = False
        self.running = 0
        self.handled = self.failed = 0
        self.figures = Figures()
        self.drained = anyio.Event()
        self.resumed = self.begun = False
        self.start: Commit | None = None
        self.ahead = 0
        self.jump: tuple[int, int] | None = None
        self.deaths = Deaths()
        self._pump = pump
        self.unread = Unread(self.offset_of)
        self.batches = Batches(self)
        if routes.only is not None and routes.only.batch is not None:
            gate.widen(2 * routes.only.batch.limits.size)
        self._uncharged: list[OpenMessage] = []
        for route in routes.kinds.values():
            route.holds.open(lease.partition)

    @property
    def name(self) -> TopicPartition:
        """Topic and number."""
        return self.lease.partition

    def feed(self, fetch: Fetch) -> None:
        """Messages have arrived. At most one wake, whatever their number."""
        self.gate.take(fetch.size_bytes)
        self.figures.received_bytes += fetch.size_bytes
        self.unread.add(fetch)
        self._pump.ready(self)

    def resume(self, finished: Finished) -> None:
        """Leave out *finished*, which former owners have dealt with. Comes before the first feed."""
        self.resumed, self.unread.finished = True, finished

    @property
    def room(self) -> int:
        """How many messages may be read and started now; of a slice that is begun at least one."""
        if self.serial or self.blocked or self.paused or self.gate.full or not self.lease.takes_messages:
            return 0
        if self.rest is not None:
            return 1
        if not self.unread:
            return 0
        return self.gate.count(len(self.open), self.ledger.span)

    def spoil(self, error: Exception) -> None:
        """Reading has failed in the middle of a slice."""
        self.read_past()
        self.unread.spoil(error)

    def read_past(self) -> None:
        """A slice was read to its end, and with it the fetch if nothing is left of it."""
        self.rest = None
        if self.record is not None:
            self.ledger.read_to(self.offset_of(self.record) + 1)
            self.record = None
        fetch = self.unread.let_go()
        if fetch is not None:
            self.ledger.read_to(fetch.end_offset)
            self.gate.release(fetch.size_bytes)
            self.gate.report(len(self.open))
            self._charge()

    def _charge(self) -> None:
        """A fetch is given back, so what is unfinished of it counts by itself."""
        value_of = self.routes.reader.value
        for message in self._uncharged:
            if message.offset in self.open:
                message.size = len(value_of(message.record) or b"")
                self.gate.take(message.size)
        self._uncharged = []

    def enter(self, message: OpenMessage, *, behind: bool = False) -> None:
        """A message is unfinished from now on: the first of its lane, or *behind* those that are in it."""
        # A writer may give its records offsets that go back; each has its place after the one before it.
        message.offset = max(message.offset, self.ledger.position or 0)
        self.open[message.offset] = message
        self.ledger.open(message.offset)
        self._uncharged.append(message)
        self.blocked += message.blocks
        if behind:
            self._wait(message)
        elif message.key is not None:
            self.lanes[message.key] = None
        elif message.route.order == "partition" and message.route.batch is None:
            self.serial = True

    def _wait(self, message: OpenMessage) -> None:
        lane = self.lanes[message.key]
        if lane is None:
            lane = self.lanes[message.key] = deque()
        lane.append(message)

    def leave(self, message: OpenMessage, *, failed: bool = False) -> OpenMessage | None:
        """A message is finished, or given up for good; returns the one that waited behind it."""
        del self.open[message.offset]
        self.handled += not failed
        self.failed += failed
        self.ledger.finish(message.offset)
        self.blocked -= message.blocks
        if message.size:
            self.gate.release(message.size)
        if self.gate.full and len(self.open) * 2 <= self.gate.most_open:
            self.gate.count(len(self.open), self.ledger.span)
        if message.key is not None:
            lane = self.lanes[message.key]
            if lane:
                return lane.popleft()
            del self.lanes[message.key]
        elif message.route.batch is not None:
            self.batches.left()
        elif message.route.order == "partition":
            self.serial = False
        return None

    def make_due(self, message: OpenMessage) -> None:
        """Its handler is to be called as soon as a worker is free."""
        self.due.append(message)
        self._pump.ready(self)

    def wake(self) -> None:
        """Something else than a message has changed what may be started here."""
        self._pump.ready(self)

    def stop(self) -> None:
        """Start nothing new; a message that waits for its next attempt stays unfinished."""
        if self.lease.takes_messages:
            self.lease.drain()
            self.running = self._pump.halt(self)
            self._end_waits()
            if not self.running:
                self.drained.set()

    def end(self) -> None:
        """The lease is over: nothing counts any more."""
        self.lease.end()
        self.gate.leave()
        self._end_waits()
        self.drained.set()

    def call_ended(self) -> None:
        """A handler that ran when the partition was stopped has ended."""
        self.running = max(0, self.running - 1)
        if self.running <= 0:
            self.drained.set()

    def _end_waits(self) -> None:
        self.batches.close()
        for route in self.routes.kinds.values():
            route.holds.close(self.name)
        for message in self.open.values():
            if message.timer is not None:
                message.timer.cancel()
                message.timer = None

    @property
    def committable(self) -> int | None:
        """The offset that may be committed: the first unfinished message, else what was read to."""
        first = self.ledger.committable
        if self.record is None or self.ledger.unfinished:
            return first
        return max(first or 0, self.offset_of(self.record))

    def finished_above(self) -> Finished:
        """
        What is finished above the committable offset: everything read but what is unfinished, since a
        message that was handled without waiting is recorded nowhere; and what former owners finished.
        """
        first, position = self.committable, self.ledger.position
        if first is None or position is None or not self.ledger.unfinished:
            return self.unread.finished
        unfinished = sorted(self.open)
        if self.record is not None:
            position = self.offset_of(self.record)
        return Finished.all_but(first, position, unfinished) | self.unread.finished

    def left(self) -> Sequence[Fetch]:
        """What was read and is not handled, as it would arrive again; empty when that is nothing."""
        reading, fetches = self.unread.fetch, list(self.unread.waiting)
        end = reading.end_offset if reading is not None else self.ledger.position
        if end is not None and (self.open or reading is not None):
            records = chain([self.open[offset].record for offset in sorted(self.open)], self.unread.rest)
            size = self.gate.held - sum(each.size_bytes for each in fetches)
            fetches.insert(0, Fetch(self.name, records, end, size, self.committable or 0))
        return fetches

    @property
    def parked(self) -> Iterable[tuple[Parked, float]]:
        """The messages whose attempts are used up, each with the time since when."""
        return [each.parked for each in self.open.values() if each.parked is not None]

    @property
    def quiet(self) -> bool:
        """Whether nothing is in hand, nothing waits here and nothing is unfinished."""
        return not (self.open or self.record or self.unread)

    @property
    def stuck(self) -> bool:
        """Whether what is parked keeps everything else from being read."""
        return any(self.parked) and (self.serial or self.blocked > 0 or self.gate.full or self.gate.closed)

    @property
    def choked(self) -> bool:
        """Whether no more will be read until something is finished."""
        gate = self.gate
        if self.room:
            return False
        return gate.full or gate.process.full or ((gate.closed or gate.process.closed) and not self.unread)

    @property
    def calm(self) -> bool:
        """Whether nothing will happen here until a message arrives or a parked one is tried again."""
        idle = not (self.queued or self.record is not None or self.room or self.batches.gathered)
        return idle and not any(each.moves for each in self.open.values())

    def __repr__(self) -> str:
        return f"<Partition {self.name}: {self.handled} handled, {len(self.open)} unfinished>"
