"""The memory backend: publisher, admin and memberships over one `MemoryBroker`."""

import asyncio
from collections.abc import Collection, Mapping

from partita.backends.memory.administrator import MemoryAdministrator
from partita.backends.memory.broker import MemoryBroker
from partita.backends.memory.extents import extents
from partita.backends.memory.groups import REBALANCE_TIMEOUT
from partita.backends.memory.records import MemoryReader
from partita.backends.memory.subscription import MemorySubscription
from partita.core.administration import NO_CONFIGS
from partita.core.errors import SettingsError
from partita.core.extents import BacklogQuestion, GroupExtents
from partita.core.figures import Published
from partita.core.ports import Membership, Outgoing, Receipt


class MemoryPublisher:
    """Stores messages at once."""

    # A message is stored, or refused, before its call returns.
    pending_bytes = 0
    pending_since: float | None = None

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self.published = Published()

    async def publish(self, topic: str, message: Outgoing) -> Receipt:
        """Store a message; see `MemoryBroker.append` for what is refused."""
        return self._store(topic, message)

    def _store(self, topic: str, message: Outgoing) -> Receipt:
        receipt = self._broker.append(topic, message)
        sent = self.published.to(receipt.topic, receipt.partition)
        sent.count(1, len(message.key or b"") + len(message.value or b""))
        sent.waits.add(0.0, 1)
        return receipt

    def send(self, topic: str, message: Outgoing) -> asyncio.Future[Receipt]:
        """Store a message; what is refused is raised when the result is awaited."""
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        try:
            receipt.set_result(self._store(topic, message))
        except Exception as error:  # noqa: BLE001 - it is the caller's, through the future
            receipt.set_exception(error)
        return receipt

    async def flush(self) -> None:
        """Nothing is ever under way here."""
        return


class MemoryBackend:
    """
    Everything that a bus does with a broker in this process.

    Args:
        broker: the topics and groups.
        address: what is shown for it.
    """

    system = "memory"
    reader = MemoryReader()
    rebalance_timeout = REBALANCE_TIMEOUT
    options = ()

    def __init__(self, broker: MemoryBroker, address: str) -> None:
        self.broker = broker
        self.address = address
        self.publisher = MemoryPublisher(broker)
        self.administrator = MemoryAdministrator(broker)

    @property
    def client(self) -> MemoryBroker:
        """The broker itself."""
        return self.broker

    async def open(self) -> None:
        """There is nothing to connect to."""
        return

    async def close(self) -> None:
        """There is nothing to disconnect from."""
        return

    def subscription(self, membership: Membership) -> MemorySubscription:
        """A new member, not joined yet."""
        return MemorySubscription(self.broker, membership)

    async def create_topic(
        self, topic: str, *, partitions: int, replication: int, configs: Mapping[str, str] = NO_CONFIGS
    ) -> None:
        """Make a topic; there is one copy whatever *replication* says. Raises SettingsError."""
        if configs:
            raise SettingsError(f"memory:// keeps all messages and has no {min(configs)}; leave configs away")
        self.broker.create(topic, partitions)

    async def delete_topic(self, topic: str) -> None:
        """Delete a topic. Raises TopicMissing."""
        self.broker.delete(topic)

    async def list_topics(self) -> Mapping[str, int]:
        """Each topic's number of partitions."""
        return self.broker.topics

    async def retention(self, topics: Collection[str]) -> Mapping[str, float]:
        """Nothing: memory keeps every message."""
        return {}

    async def extents(self, question: BacklogQuestion) -> GroupExtents:
        """How far partitions reach, and where a group stands in them."""
        return extents(self.broker, question)

    async def ping(self) -> None:
        """This process answers by running this."""
        return

    def is_retriable(self, error: BaseException) -> bool:
        """Nothing here fails for a while only."""
        return False

    def is_refused(self, error: BaseException) -> bool:
        """Nobody has to be asked here."""
        return False

    def is_unreachable(self, error: BaseException) -> bool:
        """This process can always be reached."""
        return False
