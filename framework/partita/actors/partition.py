"""
A partition that this process owns: what has arrived and is unread, the message in hand, and its ledger.

It belongs to a consumer and lives as long as one lease. Its pump (pump.py) is the task that works on it;
when the pump crashes it starts again with what stands here, so that no message is skipped or repeated.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import cached_property, partial
from typing import NoReturn

import anyio
import attrs

from partita.core.errors import Unroutable
from partita.core.flow import FlowGate
from partita.core.health import Parked
from partita.core.leases import Lease
from partita.core.ledger import Ledger
from partita.core.ports import Fetch, RecordReader, TopicPartition
from partita.core.retries import Retry

NOBODY = "(none)"
UNLIMITED = 2**31


@attrs.frozen(eq=False)
class BoundRoute:
    """
    One route, ready to be called.

    Args:
        name: the handler's name.
        call: takes the record and the attempt, returns the handler's coroutine.
        retry: what happens after a failure.
        limit: how many calls may be unfinished at once in this process.
    """

    name: str
    call: Callable[[object, int], Awaitable[object]]
    retry: Retry
    limit: asyncio.Semaphore


@attrs.define(eq=False, slots=False)
class TopicRoutes:
    """
    The routes of one topic by kind, resolved when a partition is assigned.

    Args:
        kinds: by kind; None is the route for all others.
        kind_header: the header that names a message's kind.
        reader: reads the backend's records.
    """

    kinds: Mapping[str | None, BoundRoute]
    kind_header: str
    reader: RecordReader

    @property
    def only(self) -> BoundRoute | None:
        """The route that takes every message, when no kind needs to be looked at."""
        return self.kinds.get(None) if len(self.kinds) == 1 else None

    def pick(self, record: object) -> BoundRoute:
        """The route of one message; for a kind that nobody handles, one that fails with Unroutable."""
        for name, value in self.reader.headers(record):
            if name == self.kind_header:
                found = self.kinds.get(value.decode("utf-8", "replace"))
                if found is not None:
                    return found
        return self.kinds.get(None) or self._nobody

    @cached_property
    def _nobody(self) -> BoundRoute:
        def call(record: object, attempt: int) -> NoReturn:
            raise Unroutable(self.reader.topic(record), self.kind_header)

        return BoundRoute(NOBODY, call, Retry(attempts=1), asyncio.Semaphore(UNLIMITED))


class Partition:
    """
    One owned partition.

    Args:
        lease: this assignment of it.
        routes: the routes of its topic.
        gate: bounds what may wait here.
    """

    def __init__(self, lease: Lease, routes: TopicRoutes, gate: FlowGate) -> None:
        self.lease = lease
        self.routes = routes
        self.gate = gate
        self.ledger = Ledger()
        self.record: object = None
        self.attempt = 1
        self.handled = 0
        self.parked: Parked | None = None
        self.parked_at = 0.0
        self.retry_at: float | None = None
        self.drained = anyio.Event()
        self._fetches: deque[Fetch] = deque()
        self._reading: Iterator[object] = iter(())
        self._fetch: Fetch | None = None
        self._last: object = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def name(self) -> TopicPartition:
        """Topic and number."""
        return self.lease.partition

    def feed(self, fetch: Fetch) -> None:
        """Messages have arrived. At most one wake, whatever their number."""
        self.gate.take(fetch.size_bytes)
        self._fetches.append(fetch)
        self._wake()

    def stop(self) -> None:
        """Start nothing new; a message that waits for its next attempt stays unfinished."""
        self.lease.drain()
        self._wake()

    def advance(self) -> bool:
        """Take the next message in hand; False when there is none."""
        while True:
            try:
                for record in self._reading:
                    self.record, self.attempt = record, 1
                    return True
            except Exception as error:
                # An iterator that raised once may say "exhausted" from then on, and what it did not
                # hand out would be committed unread.
                self._reading = iter(partial(_raise, error), None)
                raise
            self._exhausted()
            if not self._fetches:
                return False
            self._fetch = self._fetches.popleft()
            self._reading = iter(self._fetch.records)

    def _exhausted(self) -> None:
        if self._fetch is not None:
            self.ledger.read_to(self._fetch.end_offset)
            self.gate.release(self._fetch.size_bytes)
            self._fetch, self._reading = None, iter(())

    def finish(self) -> None:
        """The message in hand is handled."""
        self._last, self.record = self.record, None
        self.handled += 1
        self.parked = self.retry_at = None

    @property
    def committable(self) -> int | None:
        """The offset that may be committed: the message in hand, else what was read to."""
        if self.record is not None:
            return self.routes.reader.offset(self.record)
        # Read here and not after each message: this is asked for about once a second.
        if self._last is not None:
            self.ledger.read_to(self.routes.reader.offset(self._last) + 1)
        return self.ledger.committable

    @property
    def quiet(self) -> bool:
        """Whether nothing is in hand and nothing waits here."""
        return self.record is None and self._fetch is None and not self._fetches

    @property
    def state(self) -> str:
        """What the partition is doing, as one of the named states."""
        if self.parked is not None:
            return f"parked ({self.parked})"
        if self.retry_at is not None:
            return f"retry until {self.retry_at:.1f}"
        return "caught up" if self.quiet else "flowing"

    async def wait(self, seconds: float | None = None) -> None:
        """Wait for more messages or for `stop`, at most *seconds*; None: however long it takes."""
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        timer = loop.call_later(seconds, _settle, waiter) if seconds is not None else None
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    async def pause(self, seconds: float) -> None:
        """Wait *seconds*, or until nothing new may be started; more messages do not end it."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        if seconds <= 0:
            # A handler that fails without waiting for anything must not keep the loop for itself.
            await asyncio.sleep(0)
        while self.lease.takes_messages and (left := until - loop.time()) > 0:
            await self.wait(left)

    def _wake(self) -> None:
        if self._waiter is not None:
            _settle(self._waiter)

    def __repr__(self) -> str:
        return f"<Partition {self.name} {self.state}: {self.handled} handled>"


def _raise(error: Exception) -> NoReturn:
    raise error


def _settle(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
