"""A pump that is fed directly, with no consumer and no broker around it."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Self

import attrs
from tests.benchmarks.loads import TOPIC
from tests.benchmarks.measuring import Cost, Stopwatch

from partita.actors.partition import Partition
from partita.actors.pump import Pump
from partita.actors.routes import BoundRoute, TopicRoutes
from partita.backends.memory.records import MemoryReader
from partita.calls import bind_first, bind_handler
from partita.core.flow import FlowGate
from partita.core.leases import Lease
from partita.core.ports import Fetch, Outgoing, TopicPartition
from partita.core.retries import Retry
from partita.handlers import plan_handler
from partita.message import Receipt, Scope
from partita.pools import Pool

READER = MemoryReader()


@attrs.define(eq=False)
class Engine:
    """
    A pump and its partitions. Inside the block it runs; at the end what is unfinished is given up.

    Args:
        handler: what is called, bound as a router binds it.
        order: "partition", "key" or "none".
        concurrency: how many calls may be unfinished at once.
        partitions: how many.
        gate: makes the gate of each partition.
        pool: where the handler runs; None: on the event loop.
    """

    handler: Callable[..., object]
    order: str
    concurrency: int = 16
    partitions: int = 1
    gate: Callable[[], FlowGate] = FlowGate
    pool: Pool | None = attrs.field(default=None, kw_only=True)
    owned: list[Partition] = attrs.field(factory=list, init=False)
    _left: int = attrs.field(default=0, init=False)
    _over: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _task: "asyncio.Task[None] | None" = attrs.field(default=None, init=False)

    async def __aenter__(self) -> Self:
        plan = plan_handler(self.handler)
        call = bind_handler(plan, READER, Scope("benchmark", None, _publish), self.pool)
        route = BoundRoute("handler", call, Retry(attempts=1), self.order, self.concurrency, READER.key)
        route.first = bind_first(plan, READER, call)
        routes = TopicRoutes({None: route}, "type", READER)
        pump = Pump(self.concurrency, self)
        names = [TopicPartition(TOPIC, number) for number in range(self.partitions)]
        self.owned = [Partition(Lease(at), routes, self.gate(), pump) for at in names]
        self._task = asyncio.create_task(pump.run())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *failure: object) -> None:
        assert self._task is not None  # the block was entered
        self._task.cancel()
        await asyncio.wait([self._task])

    def feed(self, fetch: Fetch) -> None:
        """Messages have arrived."""
        self.owned[fetch.partition.partition].feed(fetch)

    async def handle(self, fetches: Iterable[Fetch], messages: int) -> Cost:
        """Feed messages, and wait until that many are finished."""
        self._left = messages
        self._over.clear()
        watch = Stopwatch()
        for fetch in fetches:
            self.feed(fetch)
        await self._over.wait()
        return watch.stop(messages)

    def finished(self, count: int) -> None:
        """*count* more messages are handled."""
        self._left -= count
        if self._left <= 0:
            self._over.set()

    def idle(self) -> None:
        """Not of interest here."""

    def late(self) -> None:
        """Not of interest here."""

    def stop_requested(self, error: BaseException) -> None:
        """No handler here asks for it."""


async def _publish(topic: str, message: Outgoing) -> Receipt:
    raise NotImplementedError("no handler here publishes")
