"""The Kafka backend: publisher, admin and memberships of one address."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    NoBrokersAvailable,
    NodeNotReadyError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from partita.backends.kafka.admin import KafkaAdmin
from partita.backends.kafka.administrator import KafkaAdministrator
from partita.backends.kafka.denials import needing
from partita.backends.kafka.extents import KafkaExtents
from partita.backends.kafka.preflight import Preflight
from partita.backends.kafka.probing import probe
from partita.backends.kafka.publisher import KafkaPublisher
from partita.backends.kafka.records import KafkaReader
from partita.backends.kafka.settings import KafkaSetup
from partita.backends.kafka.subscription import KafkaSubscription
from partita.backends.kafka.views import GroupViews
from partita.core.administration import NO_CONFIGS
from partita.core.extents import BacklogQuestion, GroupExtents
from partita.core.ports import ClientOption, Membership


class KafkaClients(NamedTuple):
    """
    aiokafka's own clients.

    producer: the `AIOKafkaProducer`; None before the first message was published and while there is none.
    consumers: one `AIOKafkaConsumer` for each group member that has joined.
    admin: the `AIOKafkaAdminClient`; None before the bus is open and while there is none.
    """

    producer: Any
    consumers: Sequence[Any]
    admin: Any


class KafkaBackend:
    """
    Everything that a bus does with a Kafka cluster.

    Four connections to a broker serve one membership and publishing: two of its consumer, one of the
    producer (made on first use), one of the admin client.

    Args:
        settings: servers, options and deadlines.

    Raises:
        SettingsError: the installed aiokafka is not one that this backend knows.
    """

    system = "kafka"
    reader = KafkaReader()

    def __init__(self, settings: KafkaSetup) -> None:
        probe()
        self.settings = settings
        self.address = settings.address
        self._admin = KafkaAdmin(settings)
        self.publisher = KafkaPublisher(settings, self._admin.largest_batch)
        isolation = settings.consumer(Membership(""))["isolation_level"]
        self._extents = KafkaExtents(self._admin, isolation)
        self.administrator = KafkaAdministrator(self._admin, self._extents)
        self._views = GroupViews(self._admin)
        self._subscriptions: set[KafkaSubscription] = set()

    @property
    def options(self) -> Sequence[ClientOption]:
        """Those of each of aiokafka's three clients."""
        return list(self.settings.told())

    @property
    def client(self) -> KafkaClients:
        """aiokafka's own clients, as they are now."""
        running = (each.running_client for each in self._subscriptions)
        consumers = [each for each in running if each is not None]
        return KafkaClients(self.publisher.running_client, consumers, self._admin.running_client)

    @property
    def rebalance_timeout(self) -> float:
        """Seconds; the option `rebalance_timeout_ms` of the address."""
        return self.settings.rebalance_seconds

    async def open(self) -> None:
        """
        Look at the brokers, then connect the admin client.

        Raises:
            SettingsError: a broker answers and cannot be used with these settings; the text says which.
            KafkaConnectionError: no broker can be reached.
        """
        seconds = float(self.settings.admin()["request_timeout_ms"]) / 1000
        look = Preflight(self.settings.security, min(seconds, self.settings.deadlines.start))
        await look.look(self.settings.servers)
        await self._admin.open()

    async def close(self) -> None:
        """Close what is still open: memberships, publisher, admin; each within the close deadline."""
        await asyncio.gather(*[each.close() for each in list(self._subscriptions)])
        await self.publisher.close()
        await self._admin.close()

    def subscription(self, membership: Membership) -> KafkaSubscription:
        """A new member, not joined yet."""
        made = KafkaSubscription(self.settings, membership, self._views, self._subscriptions.discard)
        self._subscriptions.add(made)
        return made

    async def create_topic(
        self, topic: str, *, partitions: int, replication: int, configs: Mapping[str, str] = NO_CONFIGS
    ) -> None:
        """Make a topic. Raises the client's own error, TopicAlreadyExistsError when it exists."""
        with needing(f"CREATE on the topic {topic!r} or on the cluster"):
            await self._admin.create_topic(topic, partitions, replication, configs)

    async def delete_topic(self, topic: str) -> None:
        """Delete a topic and what is in it. Raises TopicMissing."""
        with needing(f"DELETE on the topic {topic!r}"):
            await self._admin.delete_topic(topic)

    async def list_topics(self) -> Mapping[str, int]:
        """Each topic's number of partitions, the broker's internal topics left out."""
        return await self._admin.list_topics()

    async def retention(self, topics: Collection[str]) -> Mapping[str, float]:
        """Each topic's `retention.ms` in seconds, where it applies. Raises the client's own error."""
        return await self._admin.retention(topics)

    async def extents(self, question: BacklogQuestion) -> GroupExtents:
        """How far partitions reach, and where a group stands in them. Raises as `KafkaExtents.ask`."""
        with needing(f"DESCRIBE on the group {question.group!r} and on its topics"):
            return await self._extents.ask(question)

    async def ping(self) -> None:
        """Ask a broker for its metadata; an answer takes at most 5 s. Raises the client's own error."""
        await self._admin.ping()

    def is_retriable(self, error: BaseException) -> bool:
        """Whether the broker may well take the same request a little later, in the client's opinion."""
        if isinstance(error, KafkaError):
            return bool(error.retriable)
        return isinstance(error, OSError)  # a TimeoutError is one

    def is_refused(self, error: BaseException) -> bool:
        """Whether a right is missing, or the topic."""
        kinds = (
            TopicAuthorizationFailedError,
            GroupAuthorizationFailedError,
            ClusterAuthorizationFailedError,
            UnknownTopicOrPartitionError,
        )
        return isinstance(error, kinds)

    def is_unreachable(self, error: BaseException) -> bool:
        """Whether no connection to a broker could be made."""
        kinds = (KafkaConnectionError, NodeNotReadyError, NoBrokersAvailable, ConnectionError)
        return isinstance(error, kinds)
