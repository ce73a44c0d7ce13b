"""
Routes for a partition whose messages may end the process: one call at a time, each attempt stored before it.

They stand in for the topic's own routes during one assignment, until what arrived first is behind; the pump
knows nothing of them. A message that has ended as many processes as it has attempts is not handed to its
handler any more and takes the way of any message without attempts left.
"""

import asyncio
import logging
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
        self._routes: dict[tuple[BoundRoute, int], BoundRoute] = {}

    def pick(self, record: object) -> BoundRoute:
        """The route of one message, which depends on how many processes it has ended."""
        offset, deaths = self.reader.offset(record), self._partition.deaths
        route = self._own.pick(record)
        if deaths.is_over(offset) and not any(
            each.unfinished or each.waiting for each in self._routes.values()
        ):
            self._partition.routes = self._own
            return route
        ended = deaths.tried.get(offset, 0)
        if (route, ended) not in self._routes:
            self._routes[route, ended] = self._careful(route, ended)
        return self._routes[route, ended]

    def _careful(self, route: BoundRoute, ended: int) -> BoundRoute:
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
        careful = attrs.evolve(route, call=call, concurrency=1, retry=retry, order=order)
        careful.first = careful.first_call
        careful.bury = None if route.bury is None else _bury(route.bury, ended - exhausted)
        return careful

    def _stored(self, record: object, attempt: int) -> AbstractAsyncContextManager[None]:
        return _Attempt(self._partition, self._store, self.reader.offset(record), attempt)


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
