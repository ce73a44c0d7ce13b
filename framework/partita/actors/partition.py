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
from typing import NoReturn, Protocol

import anyio

from partita.actors.routes import BoundRoute, TopicRoutes
from partita.core.finished import Finished
from partita.core.flow import FlowGate
from partita.core.health import Parked, describe
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


class OpenMessage:
    """A message that was started, or waits behind one that was, and is not finished."""

    __slots__ = (
        "attempt", "burying", "calling", "first", "key", "last", "offset", "parked", "partition",
        "record", "route", "size", "timer",
    )  # fmt: skip

    def __init__(self, partition: "Partition", record: object, route: BoundRoute, key: Hashable) -> None:
        reader = partition.routes.reader
        self.partition, self.record, self.route = partition, record, route
        self.offset = reader.offset(record)
        self.key = key
        self.size = len(reader.value(record) or b"")
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
        self.record: object = None
        self.open: dict[int, OpenMessage] = {}
        self.lanes: dict[Hashable, deque[OpenMessage]] = {}
        self.due: deque[OpenMessage] = deque()
        self.serial = False
        self.queued = False
        self.running = 0
        self.handled = self.failed = 0
        self.drained = anyio.Event()
        self.resumed = self.begun = False
        self.start: Commit | None = None
        self.ahead = 0
        self._pump = pump
        self._finished_before = Finished()
        self._fetches: deque[Fetch] = deque()
        self._reading: Iterator[object] = iter(())
        self._fetch: Fetch | None = None
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
    def readable(self) -> bool:
        """Whether a message may be read and started now."""
        return (
            not (self.serial or self.gate.full)
            and self.lease.takes_messages
            and (self._fetch is not None or bool(self._fetches))
        )

    def slice(self, most: int) -> Iterator[object]:
        """The next messages, *most* of them at the most; empty when a fetch ends here."""
        if self._fetch is None and self._fetches:
            self._fetch = self._fetches.popleft()
            records, before = self._fetch.records, self._finished_before
            self._reading = before.skip(records, self.routes.reader.offset) if before else iter(records)
        return islice(self._reading, most)

    def spoil(self, error: Exception) -> None:
        """
        Reading has failed. An iterator that raised once may say "exhausted" from then on, and what it did
        not hand out would be committed unread; so it raises for good.
        """
        self._reading = iter(partial(_raise, error), None)

    def read_past(self, exhausted: bool) -> None:
        """A slice was read to its end, and with it the fetch if *exhausted*."""
        if self.record is not None:
            self.ledger.read_to(self.routes.reader.offset(self.record) + 1)
            self.record = None
        if exhausted and self._fetch is not None:
            self.ledger.read_to(self._fetch.end_offset)
            self.gate.release(self._fetch.size_bytes)
            if self._fetch.end_offset >= self._finished_before.end:
                self._finished_before = Finished()
            self._fetch, self._reading = None, iter(())

    def enter(self, message: OpenMessage, lane: deque[OpenMessage] | None = None) -> None:
        """A message is unfinished from now on: at the end of *lane*, or at the head of its own."""
        self.open[message.offset] = message
        self.ledger.open(message.offset)
        self.gate.take(message.size)
        if lane is not None:
            lane.append(message)
        elif message.route.order == "partition":
            self.serial = True
        elif message.key is not None:
            self.lanes[message.key] = deque()
        self._count()

    def leave(self, message: OpenMessage, *, failed: bool = False) -> OpenMessage | None:
        """A message is finished, or given up for good; returns the one that waited behind it."""
        del self.open[message.offset]
        self.handled += not failed
        self.failed += failed
        self.ledger.finish(message.offset)
        self.gate.release(message.size)
        self._count()
        if message.route.order == "partition":
            self.serial = False
        elif message.key is not None:
            lane = self.lanes[message.key]
            if lane:
                return lane.popleft()
            del self.lanes[message.key]
        return None

    def _count(self) -> None:
        committable, position = self.ledger.committable or 0, self.ledger.position or 0
        self.gate.count(self.ledger.unfinished, position - committable)

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
        return self.routes.reader.offset(self.record)

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
            position = self.routes.reader.offset(self.record)
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
        idle = not (self.queued or self.record is not None or self.readable)
        return idle and not any(each.moves for each in self.open.values())

    def __repr__(self) -> str:
        return f"<Partition {self.name} {self.state}: {self.handled} handled>"


def _raise(error: Exception) -> NoReturn:
    raise error
