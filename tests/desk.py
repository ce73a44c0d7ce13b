"""A bus on memory whose dead-letter topic holds letters, and whose broker can refuse what it is given."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import attrs

from partita import EventBus, Outgoing
from partita.backends.memory import MemoryBackend, MemoryBroker
from partita.backends.memory.backend import MemoryPublisher
from partita.backends.memory.subscription import MemorySubscription
from partita.core.ports import Commit, Membership, Receipt, TopicPartition


class Refusing(MemoryPublisher):
    """Answers later, in any order, and refuses some values; counts what is on its way."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(broker)
        self.refused: set[bytes | None] = set()
        self.sent: list[bytes | None] = []
        self.most = 0
        self._under_way = 0

    def send(self, topic: str, message: Outgoing) -> asyncio.Future[Receipt]:
        """Store or refuse a message a little later."""
        self.sent.append(message.value)
        return asyncio.ensure_future(self._answer(topic, message))

    async def _answer(self, topic: str, message: Outgoing) -> Receipt:
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        for _ in range(3 + hash(message.value) % 5):
            await asyncio.sleep(0)
        self._under_way -= 1
        if message.value in self.refused:
            raise ConnectionError("refused")
        return self._broker.append(topic, message)


class Member(MemorySubscription):
    """A member whose commits may be refused."""

    backend: "Backend"

    async def commit(self, commits: Mapping[TopicPartition, Commit]) -> Mapping[TopicPartition, Exception]:
        """Refuse as often as the backend says."""
        if self.backend.refusals:
            self.backend.refusals -= 1
            return dict.fromkeys(commits, self.backend.refusal)
        return await super().commit(commits)


class Backend(MemoryBackend):
    """Memory that refuses the next *refusals* commits."""

    refusals = 0
    refusal = ConnectionError("not stored")

    def subscription(self, membership: Membership) -> Member:
        """A member of this backend."""
        made = Member(self.broker, membership)
        made.backend = self
        return made


@attrs.frozen
class Desk:
    """A bus on memory with a publisher that can refuse, and what arrived in its topics."""

    bus: EventBus
    broker: MemoryBroker
    publisher: Refusing
    backend: "Backend"

    def values(self, topic: str) -> list[bytes | None]:
        """What is in a topic, partition by partition."""
        numbers = range(self.broker.topics.get(topic, 0))
        return [r.value for n in numbers for r in self.broker.log(TopicPartition(topic, n))]


@asynccontextmanager
async def desk(*letters: Outgoing, partitions: int = 1) -> AsyncIterator[Desk]:
    """A bus whose topic "dlq" holds these letters."""
    broker = MemoryBroker(partitions)
    backend = Backend(broker, "memory://")
    publisher = Refusing(broker)
    backend.publisher = publisher
    async with EventBus(backend) as bus:
        for each in letters:
            broker.append("dlq", each)
        yield Desk(bus, broker, publisher, backend)
