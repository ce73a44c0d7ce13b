"""What a bus does with NATS: publisher and topics on one connection, each membership on its own."""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from weakref import WeakSet

from nats import errors
from nats.aio.client import Client
from nats.js.errors import APIError, NoStreamResponseError, ServerError, ServiceUnavailableError

from partita.backends.nats.administrator import NatsAdministrator
from partita.backends.nats.client import Connection
from partita.backends.nats.extents import NatsExtents
from partita.backends.nats.publisher import NatsPublisher
from partita.backends.nats.records import NatsReader
from partita.backends.nats.settings import NatsSetup
from partita.backends.nats.subscription import NatsSubscription
from partita.backends.nats.topics import Topics
from partita.core.administration import NO_CONFIGS
from partita.core.extents import BacklogQuestion, GroupExtents
from partita.core.ports import ClientOption, Membership, TopicPartition

FLUSH_SECONDS = 10.0
REOPEN_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)
_RETRIABLE = (
    errors.TimeoutError,
    errors.NoRespondersError,
    errors.StaleConnectionError,
    errors.OutboundBufferLimitError,
    errors.ConnectionReconnectingError,
    errors.NoServersError,
    errors.ConnectionClosedError,
    NoStreamResponseError,
    ServiceUnavailableError,
    ServerError,
    OSError,
)
_UNREACHABLE = (
    errors.NoServersError,
    errors.StaleConnectionError,
    errors.ConnectionClosedError,
    errors.ConnectionReconnectingError,
    errors.SecureConnWantedError,
    ConnectionError,
)
_log = logging.getLogger("partita.nats")


class NatsBackend:
    """
    NATS JetStream.

    Args:
        settings: where the servers are and how to speak with them.
    """

    system = "nats"
    reader = NatsReader()
    rebalance_timeout = None

    def __init__(self, settings: NatsSetup) -> None:
        self.address = settings.address
        self._settings = settings
        self._connection = Connection(settings, "partita")
        self._connection.on_closed.append(self._reopen_soon)
        self._topics = Topics(self._connection)
        self.publisher = NatsPublisher(self._connection)
        self._subscriptions: WeakSet[NatsSubscription] = WeakSet()
        self.administrator = NatsAdministrator(self._connection, settings.pin_timeout)
        self._extents = NatsExtents(self._connection, self._buffered)
        self._reopening: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def options(self) -> Sequence[ClientOption]:
        """Those of `nats.connect`, and two of ours."""
        return list(self._settings.told())

    @property
    def client(self) -> Client:
        """The client of publishing and topics, as it is now; `client.jetstream()` is its JetStream."""
        return self._connection.client

    async def open(self) -> None:
        """
        Connect.

        Raises:
            nats.errors.Error: no server answered, or it refused the credentials.
            SettingsError: the server is older than 2.14 or has no JetStream.
        """
        await self._connection.open()
        await self.publisher.start()

    def _reopen_soon(self) -> None:
        """The client has given up, for example because credentials expired: it is replaced."""
        if not self._closed:
            self._reopening = asyncio.get_running_loop().create_task(self._reopen())

    async def _reopen(self) -> None:
        attempt = 0
        while not self._closed:
            await asyncio.sleep(REOPEN_SECONDS[min(attempt, len(REOPEN_SECONDS) - 1)])
            attempt += 1
            try:
                await self.open()
            # Any reason: the messages that wait and the health check tell it; here it is tried again.
            except Exception as error:  # noqa: BLE001
                _log.warning("%s: not connected again: %s", self.address, type(error).__name__)
            else:
                return

    async def close(self) -> None:
        """Wait at most 10 s for what was sent, then close the connection."""
        self._closed = True
        if self._reopening is not None:
            self._reopening.cancel()
        flushing = asyncio.get_running_loop().create_task(self.publisher.flush())
        await asyncio.wait({flushing}, timeout=FLUSH_SECONDS)
        await self.publisher.stop()
        await self._connection.close()

    def subscription(self, membership: Membership) -> NatsSubscription:
        """A new member, not joined yet, with a connection of its own."""
        made = NatsSubscription(self._settings, membership)
        self._subscriptions.add(made)
        return made

    async def create_topic(
        self, topic: str, *, partitions: int, replication: int, configs: Mapping[str, str] = NO_CONFIGS
    ) -> None:
        """
        Make a topic: one stream with a subject for each partition.

        Raises:
            SettingsError: the name or a number cannot be used.
            nats.js.errors.APIError: the server refused, for example because it exists.
        """
        await self._topics.create(topic, partitions, replication, configs)

    async def delete_topic(self, topic: str) -> None:
        """Delete a topic, what is in it, and what groups have committed. Raises TopicMissing."""
        await self._topics.delete(topic)

    async def list_topics(self) -> Mapping[str, int]:
        """Each topic's number of partitions; streams that are no topics are left out."""
        return await self._topics.listed()

    async def retention(self, topics: Collection[str]) -> Mapping[str, float]:
        """The `max_age` of each topic's stream in seconds, where it has one. Raises as the client does."""
        return await self._topics.retention(topics)

    async def extents(self, question: BacklogQuestion) -> GroupExtents:
        """How far partitions reach, and where a group stands in them. Raises as `NatsExtents.ask`."""
        return await self._extents.ask(question)

    def _buffered(self, group: str, at: TopicPartition) -> int:
        return sum(each.buffered(group, at) for each in self._subscriptions)

    async def ping(self) -> None:
        """Ask JetStream for the account's state; 4 s. Raises the client's own error."""
        await self._connection.ping()

    def is_retriable(self, error: BaseException) -> bool:
        """Whether the server may well take the same request a little later."""
        retriable = isinstance(error, _RETRIABLE)
        return retriable or (isinstance(error, APIError) and error.code in (408, 409, 423, 429))

    def is_refused(self, error: BaseException) -> bool:
        """Whether a right is missing, or the stream."""
        refused = isinstance(error, errors.AuthorizationError)
        return refused or (isinstance(error, APIError) and error.code in (401, 403, 404))

    def is_unreachable(self, error: BaseException) -> bool:
        """Whether no connection could be made; what refuses one has no class of its own in the client."""
        return isinstance(error, _UNREACHABLE) or type(error) is errors.Error
