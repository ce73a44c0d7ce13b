"""
Routes for a partition whose messages may end the process: one call at a time, each attempt stored before it.

They stand in for the topic's own routes during one assignment, until what arrived first is behind; the pump
knows nothing of them. A message that has ended as many processes as it has attempts is not handed to its
handler any more and takes the way of any message without attempts left.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import attrs

from partita.actors.holds import Postponed
from partita.actors.messages import OpenMessage
from partita.actors.partition import Partition
from partita.actors.routes import BoundRoute, Bury, TopicRoutes

AGAIN_SECONDS = 0.1
Store = Callable[[Partition], Awaitable[bool]]
_log = logging.getLogger("partita.care")


class CarefulRoutes(TopicRoutes):
    """
    The routes of one topic for one partition.

    Args:
        partition: whose messages they are; it has its own routes back when the care is over.
        store: commits what the partition has to say; False when it was refused.
    """

    def __init__(self, partition: Partition, store: Store) -> None:
        own = partition.routes
        super().__init__(own.kinds, own.kind_header, own.reader)
        self._own, self._partition, self._store = own, partition, store
        self.only = None  # each message is looked at
        self._one = asyncio.Lock()
        self._routes: dict[tuple[BoundRoute, int], CarefulRoute] = {}

    def pick(self, record: object) -> BoundRoute:
        """The route of one message, which depends on how many processes it has ended."""
        offset, deaths = self.reader.offset(record), self._partition.deaths
        route = self._own.pick(record)
        if deaths.is_over(offset) and not any(each.is_busy for each in self._routes.values()):
            self._partition.routes = self._own
            return route
        ended = deaths.tried.get(offset, 0)
        if (route, ended) not in self._routes:
            self._routes[route, ended] = self._careful(route, ended)
        return self._routes[route, ended]

    def _careful(self, route: BoundRoute, ended: int) -> "CarefulRoute":
        attempts = max(1, route.retry.attempts - ended)
        exhausted = ended >= route.retry.attempts

        async def call(record: object, attempt: int) -> object:
            if exhausted:
                raise RuntimeError(f"the process has ended {ended} times while this message was handled")
            async with self._one, self._stored(record, attempt + ended):
                return await route.call(record, attempt + ended)

        retry = attrs.evolve(route.retry, attempts=attempts)
        # Batches have no keys: those of a partition follow each other, and so do their messages.
        order = "partition" if route.batch is not None and route.order == "key" else route.order
        bury = None if route.bury is None else _bury(route.bury, ended - exhausted)
        return CarefulRoute(route, attrs.evolve(route, call=call, retry=retry, order=order, bury=bury))

    def _stored(self, record: object, attempt: int) -> AbstractAsyncContextManager[None]:
        return _Attempt(self._partition, self._store, self.reader.offset(record), attempt)


class CarefulRoute(BoundRoute):
    """
    A route that makes one call at a time, and each of them is one of those that its own route may make.

    The pump counts and asks as with any route; what it counts here is passed on. Properties stand where a
    route has plain attributes, so that the hot path of all other routes pays nothing for it.

    Args:
        own: the route that it stands in for.
        changed: the same with what care changes.
    """

    def __init__(self, own: BoundRoute, changed: BoundRoute) -> None:
        self._own, self._calls = own, 0
        self._behind: deque[OpenMessage] = deque()
        given = attrs.asdict(changed, recurse=False, filter=lambda field, _: field.init)
        super().__init__(**{**given, "first": self.first_call})

    @property
    def is_busy(self) -> bool:
        """Whether a message of it is in a call, or waits for one."""
        return bool(self._calls or self._behind or self._is_next)

    @property
    def _is_next(self) -> bool:
        return any(each.route is self for each in self._own.waiting)

    @property
    def unfinished(self) -> int:
        """Calls of this route."""
        return self._calls

    @unfinished.setter
    def unfinished(self, calls: int) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._own.unfinished += calls - self._calls
        self._calls = calls
        if not calls and self._behind and not self._is_next:
            self._own.waiting.appendleft(self._behind.popleft())

    @property
    def concurrency(self) -> int:
        """One, or none while its own route has no call to spare."""
        return int(self._own.unfinished < self._own.concurrency)

    @concurrency.setter
    def concurrency(self, most: int) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """It is what the own route says."""

    @property
    def waiting(self) -> "deque[OpenMessage]":
        """Messages that wait for a call of the own route, one of them at most from here."""
        return self._own.waiting

    @waiting.setter
    def waiting(self, messages: "deque[OpenMessage]") -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """They are the own route's."""

    def wait(self, message: OpenMessage) -> None:
        """*message* waits: for a call of the own route, or for the one here."""
        # A second one among the others would be offered a call that it cannot take.
        (self._behind if self._calls or self._is_next else self._own.waiting).append(message)


@attrs.frozen(eq=False)
class _Attempt:
    """One attempt, which is stored before it begins."""

    partition: Partition
    store: Store
    offset: int
    attempt: int

    async def __aenter__(self) -> None:
        self.partition.deaths.begin(self.offset, self.attempt)
        while self.partition.lease.takes_messages:
            stored = await self.store(self.partition)
            if stored and self.partition.lease.takes_messages:
                return
            if not stored:
                await asyncio.sleep(AGAIN_SECONDS)
        self.partition.deaths.end()
        raise Postponed

    async def __aexit__(self, *outcome: object) -> None:
        self.partition.deaths.end()


def _bury(bury: Bury, ended: int) -> Bury:
    async def told(message: OpenMessage) -> object:
        tried, message.attempt = message.attempt, message.attempt + ended
        try:
            return await bury(message)
        finally:
            message.attempt = tried

    return told
