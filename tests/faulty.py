"""A backend on memory whose broker can be taken away, refuse, and hang, as a test says."""

import asyncio
from collections.abc import Awaitable, Collection, Mapping, Sequence

from partita import Outgoing, Receipt
from partita.backends.memory import MemoryBackend, MemoryBroker
from partita.backends.memory.subscription import MemorySubscription
from partita.core.figures import Published
from partita.core.ports import AssignmentListener, Fetch, Membership, TopicPartition

Script = Mapping[str, BaseException | Sequence[BaseException]]


class Outage(Exception):
    """The broker is away."""


class FaultySubscription(MemorySubscription):
    """A membership that fails when its backend says so."""

    def __init__(self, backend: "FaultyBackend", membership: Membership) -> None:
        super().__init__(backend.broker, membership)
        self._backend = backend
        self.error: Exception | None = None

    async def start(self, listener: AssignmentListener) -> None:
        """Join, or fail."""
        self._backend.starts += 1
        self._backend.check("start")
        await super().start(listener)

    async def poll(self, closed: Collection[TopicPartition], timeout: float) -> Sequence[Fetch]:
        """Read, or fail."""
        self._backend.check("poll")
        if self.error is not None:
            raise self.error
        return await super().poll(closed, timeout)

    async def unread(self) -> Mapping[TopicPartition, int]:
        """Count, or fail."""
        self._backend.check("unread")
        return await super().unread()


class FaultyPublisher:
    """Publishes, fails, or waits until it is told to go on."""

    # A message is stored, or refused, before its call returns.
    pending_bytes = 0
    pending_since: float | None = None

    def __init__(self, backend: "FaultyBackend") -> None:
        self._backend = backend
        self.sent: list[tuple[str, Outgoing]] = []
        self.published = Published()
        self.go = asyncio.Event()
        self.go.set()

    async def publish(self, topic: str, message: Outgoing) -> Receipt:
        """Store a message."""
        await self.go.wait()
        self._backend.check("publish")
        self.sent.append((topic, message))
        return self._backend.broker.append(topic, message)

    def send(self, topic: str, message: Outgoing) -> Awaitable[Receipt]:
        """Store a message in the background; one with the value b"bad" fails."""
        return self._send(topic, message)

    async def _send(self, topic: str, message: Outgoing) -> Receipt:
        if message.value == b"bad":
            raise Outage("bad")
        return await self.publish(topic, message)

    async def flush(self) -> None:
        """Wait for nothing of our own."""
        return


class FaultyBackend(MemoryBackend):
    """
    Memory with a script.

    Attributes:
        errors: what each call fails with, by its name; a list is used up, one error stays.
    """

    system = "faulty"

    def __init__(self, errors: Script | None = None) -> None:
        super().__init__(MemoryBroker(), "faulty://here")
        self.errors: Script = errors if errors is not None else {}
        self.starts = 0
        self.members: list[FaultySubscription] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self.publisher: FaultyPublisher = FaultyPublisher(self)  # type: ignore[assignment]

    def check(self, call: str) -> None:
        """Raise what the script has for *call*."""
        found = self.errors.get(call)
        if isinstance(found, BaseException):
            raise found
        if found:
            self.errors = {**self.errors, call: found[1:]}
            raise found[0]

    def subscription(self, membership: Membership) -> FaultySubscription:
        """A new member."""
        self.members.append(FaultySubscription(self, membership))
        return self.members[-1]

    async def ping(self) -> None:
        """Answer when the script lets it."""
        await self.answers.wait()
        self.check("ping")

    def is_retriable(self, error: BaseException) -> bool:
        """An outage passes."""
        return isinstance(error, Outage)
