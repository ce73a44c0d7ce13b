"""
A partition that this process owns: what has arrived and is unread, what is unfinished, and its ledger.

It belongs to a consumer and lives as long as one lease. The consumer's pump (pump.py) works on it; when
the pump crashes it starts again with what stands here, so that no message is skipped or repeated.
"""

import asyncio
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from operator import length_hint
from typing import NoReturn, Protocol

import anyio

from partita.actors.routes import BoundRoute, TopicRoutes
from partita.core.deaths import Deaths
from partita.core.finished import Finished
from partita.core.flow import FlowGate
from partita.core.health import Parked, describe
from partita.core.leases import Lease
from partita.core.ledger import Ledger
from partita.core.ports import Commit, Fetch, TopicPartition

MANY = 1 << 60


class Readying(Protocol):
    """Whom a partition tells that it has work: its pump."""

    def ready(self, partition: "Partition") -> None:
        """There is something to do for *partition*."""
        ...

    def halt(self, partition: "Partition") -> int:
        """Start nothing more of *partition*; returns how many of its handlers are running."""
        ...


class OpenMessage:
    """A message that was started, or waits behind one that was, and is not finished."""

    __slots__ = (
        "attempt", "burying", "calling", "first", "key", "last", "offset", "parked", "partition",
        "record", "route", "size", "timer",
    )  # fmt: skip

    def __init__(self, partition: "Partition", record: object, route: BoundRoute, key: Hashable) -> None:
        self.partition, self.record, self.route, self.key = partition, record, route, key
        self.offset = partition.offset_of(record)
        self.size = 0
        self.attempt = 1
        self.calling = self.burying = False
        self.first: BaseException | None = None
        self.last: BaseException | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.parked: tuple[Parked, float] | None = None

    @property
    def moves(self) -> bool:
        """Whether its handler runs, or will without anything else happening."""
        return self.calling or (self.timer is not None and self.parked is None)

    def park(self, error: BaseException, now: float) -> Parked:
        """Its attempts are used up; returns what there is to tell."""
        at = self.partition.name
        told = Parked(self.route.name, at.topic, at.partition, self.offset, describe(error))
        self.parked = told, self.parked[1] if self.parked else now
        return told


class Counted:
    """An iterator that counts down from MANY what is left, for a source that cannot tell."""

    def __init__(self, source: Iterator[object]) -> None:
        self.over = False
        self._source, self._left = source, MANY

    def __iter__(self) -> Iterator[object]:
        return self

    def __next__(self) -> object:
        try:
            record = next(self._source)
        except StopIteration:
            self.over = True
            raise
        self._left -= 1
        return record

    def __length_hint__(self) -> int:
        return self._left


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
        self.serial = False
        self.queued = False
        self.running = 0
        self.handled = self.failed = 0
        self.drained = anyio.Event()
        self.resumed = self.begun = False
        self.start: Commit | None = None
        self.ahead = 0
        self.deaths = Deaths()
        self._pump = pump
        self._finished_before = Finished()
        self._fetches: deque[Fetch] = deque()
        self._reading: Iterator[object] | Counted = iter(())
        self._fetch: Fetch | None = None
        self._left = 0
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
        self._fetches.append(fetch)
        self._pump.ready(self)

    def resume(self, finished: Finished) -> None:
        """Leave out *finished*, which former owners have dealt with. Comes before the first feed."""
        self.resumed, self._finished_before = True, finished

    @property
    def room(self) -> int:
        """How many messages may be read and started now; of a slice that is begun at least one."""
        if self.serial or self.gate.full or not self.lease.takes_messages:
            return 0
        if self.rest is not None:
            return 1
        if self._fetch is None and not self._fetches:
            return 0
        return self.gate.count(len(self.open), self.ledger.span)

    def slice(self, most: int) -> Iterator[object]:
        """The next messages, *most* of them at the most; empty when a fetch ends here."""
        if self._fetch is None and self._fetches:
            self._fetch = self._fetches.popleft()
            before, records = self._finished_before, self._fetch.records
            self._read(before.skip(records, self.offset_of) if before else iter(records))
        return islice(self._reading, most)

    def _read(self, records: Iterator[object]) -> None:
        self._reading = records if length_hint(records, -1) >= 0 else Counted(records)
        self._left = length_hint(self._reading)

    def taken(self) -> int:
        """How many messages were read since this was last asked. Told by the iterator, so none is counted."""
        before, self._left = self._left, length_hint(self._reading)
        return before - self._left

    def spoil(self, error: Exception) -> None:
        """
        Reading has failed. An iterator that raised once may say "exhausted" from then on, and what it did
        not hand out would be committed unread; so it raises for good.
        """
        self.read_past()
        self._read(iter(partial(_raise, error), None))

    def read_past(self) -> None:
        """A slice was read to its end, and with it the fetch if nothing is left of it."""
        self.rest = None
        if self.record is not None:
            self.ledger.read_to(self.offset_of(self.record) + 1)
            self.record = None
        over = self._reading.over if isinstance(self._reading, Counted) else not self._left
        if over and self._fetch is not None:
            self.ledger.read_to(self._fetch.end_offset)
            self.gate.release(self._fetch.size_bytes)
            self.gate.report(len(self.open))
            self._charge()
            if self._fetch.end_offset >= self._finished_before.end:
                self._finished_before = Finished()
            self._fetch, self._reading = None, iter(())

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
        self.open[message.offset] = message
        self.ledger.open(message.offset)
        self._uncharged.append(message)
        if behind:
            self._wait(message)
        elif message.key is not None:
            self.lanes[message.key] = None
        elif message.route.order == "partition":
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
        if message.size:
            self.gate.release(message.size)
        if self.gate.full and len(self.open) * 2 <= self.gate.most_open:
            self.gate.count(len(self.open), self.ledger.span)
        if message.key is not None:
            lane = self.lanes[message.key]
            if lane:
                return lane.popleft()
            del self.lanes[message.key]
        elif message.route.order == "partition":
            self.serial = False
        return None

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
        return self.offset_of(self.record)

    def finished_above(self) -> Finished:
        """
        What is finished above the committable offset: everything read but what is unfinished, since a
        message that was handled without waiting is recorded nowhere; and what former owners finished.
        """
        first, position = self.committable, self.ledger.position
        if first is None or position is None or not self.ledger.unfinished:
            return self._finished_before
        unfinished = sorted(self.open)
        if self.record is not None:
            position = self.offset_of(self.record)
        return Finished.all_but(first, position, unfinished) | self._finished_before

    def left(self) -> Sequence[Fetch]:
        """What was read and is not handled, as it would arrive again; empty when that is nothing."""
        end = self._fetch.end_offset if self._fetch is not None else self.ledger.position
        fetches = list(self._fetches)
        if end is not None and (self.open or self._fetch is not None):
            records = chain([self.open[offset].record for offset in sorted(self.open)], self._reading)
            size = self.gate.held - sum(each.size_bytes for each in fetches)
            fetches.insert(0, Fetch(self.name, records, end, size, self.committable or 0))
        return fetches

    @property
    def parked(self) -> Iterable[tuple[Parked, float]]:
        """The messages whose attempts are used up, each with the time since when."""
        return [each.parked for each in self.open.values() if each.parked is not None]

    @property
    def state(self) -> str:
        """What the partition is doing, as one of the named states."""
        for told, _ in self.parked:
            return f"parked ({told})"
        waits = [each.timer.when() for each in self.open.values() if each.timer is not None]
        if waits:
            return f"retry until {min(waits):.1f}"
        return "caught up" if self.quiet else "flowing"

    @property
    def quiet(self) -> bool:
        """Whether nothing is in hand, nothing waits here and nothing is unfinished."""
        return not (self.open or self.record or self._fetch or self._fetches)

    @property
    def stuck(self) -> bool:
        """Whether what is parked keeps everything else from being read."""
        return any(self.parked) and (self.serial or self.gate.full or self.gate.closed)

    @property
    def calm(self) -> bool:
        """Whether nothing will happen here until a message arrives or a parked one is tried again."""
        idle = not (self.queued or self.record is not None or self.room)
        return idle and not any(each.moves for each in self.open.values())

    def __repr__(self) -> str:
        return f"<Partition {self.name} {self.state}: {self.handled} handled>"


def _raise(error: Exception) -> NoReturn:
    raise error
