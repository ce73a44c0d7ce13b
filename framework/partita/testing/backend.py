"""The memory backend as a simulated process reaches it: everything that it asks goes over a wire."""

import asyncio
from collections.abc import Awaitable, Sequence

import attrs

from partita.backends.memory import MemoryBackend, MemoryBroker
from partita.backends.memory.subscription import MemorySubscription
from partita.core.dead_letters import read_dead_letter
from partita.core.extents import BacklogQuestion, GroupExtents
from partita.core.figures import Published
from partita.core.ports import Membership, Outgoing, Receipt, TopicPartition
from partita.router import Route
from partita.testing.events import Event, Log
from partita.testing.membership import SimSubscription
from partita.testing.wire import Wire, lost


class SimBroker(MemoryBroker):
    """
    The broker that all processes share; it notes what is published, for each group that reads it.

    Args:
        partitions: of a topic that comes into being on first use.
        log: where that is noted.
        routes: of the router that reads.
        group: of the routes that name none.
    """

    def __init__(self, partitions: int, log: Log, routes: Sequence[Route], group: str) -> None:
        super().__init__(partitions)
        self._log, self._routes, self._group = log, routes, group

    def append(self, topic: str, message: Outgoing) -> Receipt:
        """Store a message, stamped with virtual time if it has no time of its own."""
        if message.timestamp is None:
            now = int(asyncio.get_running_loop().time() * 1000)
            message = attrs.evolve(message, timestamp=now)
        receipt = super().append(topic, message)
        at = TopicPartition(topic, receipt.partition)
        readers = [each for each in self._routes if _reads(each, topic)]
        for group in sorted({each.settings.group or self._group for each in readers}):
            self._log.note(Event(0.0, "world", "published", at, receipt.offset, group=group))
            kinds = {each.settings.kind for each in readers if (each.settings.group or self._group) == group}
            if not kinds & {None, _kind(readers[0].kind_header, message)}:
                self._log.note(Event(0.0, "world", "unroutable", at, receipt.offset, group=group))
        return receipt


def _reads(route: Route, topic: str) -> bool:
    return any(s == topic if isinstance(s, str) else s.fullmatch(topic) for s in route.sources)


def _kind(header: str, message: Outgoing) -> str | None:
    return next((value.decode("utf-8", "replace") for name, value in message.headers if name == header), None)


class SimPublisher:
    """
    Publishes over a wire.

    Args:
        broker: where to.
        wire: the connection.
    """

    # A message is stored, or refused, before its call returns.
    pending_bytes = 0
    pending_since: float | None = None

    def __init__(self, broker: MemoryBroker, wire: Wire) -> None:
        self._broker, self._wire = broker, wire
        self.published = Published()

    async def publish(self, topic: str, message: Outgoing) -> Receipt:
        """Store a message. Raises ConnectionError, after which it may be stored or not."""
        await self._wire.ask("publish")
        if self._wire.strikes("refused publish"):
            raise ConnectionError("simulated: refused")
        receipt = self._append(topic, message)
        await self._wire.answered("publish")
        if self._wire.strikes("unanswered publish"):
            raise lost("publish")
        return receipt

    def _append(self, topic: str, message: Outgoing) -> Receipt:
        # In the world's context: a topic that comes into being makes the broker deal out anew.
        receipt = self._wire.world.copy().run(self._broker.append, topic, message)
        if (notice := read_dead_letter(message.headers)) is not None:
            at = TopicPartition(notice.topic, notice.partition)
            self._wire.note_at(notice.group, "buried", at, notice.offset, notice.error)
        return receipt

    def send(self, topic: str, message: Outgoing) -> Awaitable[Receipt]:
        """Store a message at once, so that sends keep their order; its answer takes a while."""
        try:
            if self._wire.down or self._wire.strikes("refused publish"):
                raise lost("publish")
            receipt = self._append(topic, message)
        except Exception as error:  # noqa: BLE001 - it is the caller's, through the future
            failed: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
            failed.set_exception(error)
            return failed
        return asyncio.ensure_future(self._answer(receipt))

    async def _answer(self, receipt: Receipt) -> Receipt:
        await self._wire.answered("publish")
        return receipt

    async def flush(self) -> None:
        """Messages are stored when they are sent."""
        await self._wire.travel()


class SimBackend(MemoryBackend):
    """
    The memory backend of one process.

    Args:
        broker: the broker that all processes share.
        wire: the connection to it.
    """

    def __init__(self, broker: MemoryBroker, wire: Wire) -> None:
        super().__init__(broker, "memory://simulated")
        self.publisher: SimPublisher = SimPublisher(broker, wire)  # type: ignore[assignment]
        self._wire = wire

    def subscription(self, membership: Membership) -> SimSubscription:  # type: ignore[override]
        """A new member, not joined yet."""
        return SimSubscription(MemorySubscription(self.broker, membership), self._wire)

    async def extents(self, question: BacklogQuestion) -> GroupExtents:
        """Raises ConnectionError when the broker cannot be reached."""
        await self._wire.ask("extents")
        found = await super().extents(question)
        await self._wire.answered("extents")
        return found

    async def ping(self) -> None:
        """Raises ConnectionError when the broker cannot be reached."""
        await self._wire.ask("ping")

    def is_retriable(self, error: BaseException) -> bool:
        """Whatever is simulated passes."""
        return isinstance(error, ConnectionError)

    def is_unreachable(self, error: BaseException) -> bool:
        """Whatever is simulated passes."""
        return isinstance(error, ConnectionError)
