"""The harness: a router on a broker in memory, and what became of each message."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import attrs

from partita.backends.memory import MemoryBackend, MemoryBroker
from partita.bus import EventBus
from partita.core.health import describe
from partita.core.ports import Headers, Receipt, TopicPartition
from partita.handlers import Call
from partita.message import Message
from partita.router import Route, Router
from partita.subscription import Summary

Place = tuple[str, int, int]


@attrs.frozen
class Outcome:
    """
    What became of a message.

    Args:
        topic: where it was.
        partition: the partition's number.
        offset: its place there.
        handler: the handler's name; "(none)" when nobody handles its kind.
        status: "done", "parked" (attempts used up, unfinished) or "unfinished".
        attempts: how often its handler was called.
        error: class and text of the last error; empty when the last attempt succeeded.
    """

    topic: str
    partition: int
    offset: int
    handler: str
    status: str
    attempts: int
    error: str = ""


class Harness:
    """
    Runs a router over memory; used in `async with`.

    Args:
        router: the router under test.
        group: its consumer group.
        partitions: of each topic; default 4.
    """

    def __init__(self, router: Router, *, group: str = "harness", partitions: int = 4) -> None:
        self.router = router
        self.group = group
        self._broker = MemoryBroker(partitions)
        self.bus = EventBus(MemoryBackend(self._broker, "memory://"))
        self._fed: set[Place] = set()
        self._outcomes: dict[Place, Outcome] = {}

    async def __aenter__(self) -> Self:
        await self.bus.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.bus.aclose()

    async def feed(
        self,
        topic: str,
        *values: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> Sequence[Receipt]:
        """Publish each value to *topic*, all with the same key and headers."""
        receipts = [
            await self.bus.publish(topic, value, key=key, headers=headers, partition=partition)
            for value in values
        ]
        self._fed.update((each.topic, each.partition, each.offset) for each in receipts)
        return receipts

    async def run(self) -> Summary:
        """
        Handle everything to its end, retries and what handlers publish included.

        Raises:
            RouteError: the router cannot be served.
        """
        summary = await self.bus.run(self.router, group=self.group, burst=True, wrap=self._watched)
        for parked in summary.parked:
            place = (parked.topic, parked.partition, parked.offset)
            blank = Outcome(*place, handler=parked.handler, status="parked", attempts=0)
            seen = self._outcomes.get(place, blank)
            self._outcomes[place] = attrs.evolve(seen, status="parked", error=parked.error)
        return summary

    def _watched(self, call: Call, route: Route) -> Call:
        reader = self.bus.reader

        async def watched(record: object, attempt: int) -> object:
            place = (reader.topic(record), reader.partition(record), reader.offset(record))
            outcome = Outcome(*place, handler=route.plan.name, status="done", attempts=attempt)
            try:
                return await call(record, attempt)
            except BaseException as error:
                # Noted and passed on: what becomes of it is the pump's to decide.
                outcome = attrs.evolve(outcome, status="unfinished", error=describe(error))
                raise
            finally:
                self._outcomes[place] = outcome

        return watched

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """What became of each message that was started, in the order of topic, partition and offset."""
        return [self._outcomes[place] for place in sorted(self._outcomes)]

    def published(self, topic: str) -> Sequence[Message]:
        """What handlers published to *topic*, by partition and offset; what was fed is left out."""
        partitions = range(self._broker.topics.get(topic, 0))
        return [
            Message(record, self.bus.reader)
            for number in partitions
            for record in self._broker.log(TopicPartition(topic, number))
            if (topic, number, record.offset) not in self._fed
        ]

    @property
    def committed(self) -> Mapping[TopicPartition, int]:
        """The next offset to read of each partition of which something was committed, by this group."""
        stored = self._broker.group(self.group).committed
        return {at: stored[at].offset for at in sorted(stored) if stored[at].offset}
