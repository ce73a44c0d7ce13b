"""
The connections of one client: made with what holds now, each failure kept with its reason.

The client (aiokafka 0.14) keeps one password for life, drops the reason when it cannot connect (a wrong
password looks like a broker that is away), tries again ten times a second whatever the reason, and holds up
every connection behind one to a broker that does not answer.
"""

import asyncio
import logging
from typing import Any

from aiokafka.client import ConnectionGroup
from aiokafka.conn import CloseReason
from aiokafka.errors import KafkaConnectionError, StaleMetadata
from aiokafka.protocol.metadata import MetadataRequest

from partita.backends.kafka.calls import begin
from partita.backends.kafka.connection import connect
from partita.backends.kafka.refusal import is_refusal
from partita.backends.kafka.security import Security
from partita.core.health import describe

_log = logging.getLogger("partita.kafka")


class Connector:
    """
    Makes the connections of one client, in place of the client's own methods.

    Args:
        network: an `AIOKafkaClient`.
        security: what connections are made with.

    Attributes:
        error: why the last connection could not be made; None after one that could.
    """

    def __init__(self, network: Any, security: Security) -> None:
        self._network, self._security = network, security
        self._locks: dict[object, asyncio.Lock] = {}
        self.error: Exception | None = None
        network._get_conn, network.bootstrap, network.connector = self.connection, self.bootstrap, self

    async def connection(
        self, node_id: object, *, group: int = ConnectionGroup.DEFAULT, no_hint: bool = False
    ) -> Any:
        """One to a broker; made now if there is none. None: it could not be made, and `error` says why."""
        key = (node_id, group)
        if (there := self._there(key)) is not None:
            return there
        try:
            broker = self._network.cluster.broker_metadata(node_id)
            if broker is None:
                raise StaleMetadata(f"Broker id {node_id} not in current metadata")
            async with self._locks.setdefault(key, asyncio.Lock()):
                there = self._there(key)
                if there is None:
                    there = self._network._conns[key] = await self._connect(broker.host, broker.port)
            return there
        # Whatever it is: the client's tasks end with an error that is not one of its own (aiokafka 0.14).
        except Exception as error:  # noqa: BLE001
            if not isinstance(error, StaleMetadata):
                self._tell(f"broker {node_id}", error)
            # The client's way to hear of brokers that have moved.
            self._network.force_metadata_update()
            return None

    def _there(self, key: object) -> Any:
        found = self._network._conns.get(key)
        if found is not None and not found.connected():
            del self._network._conns[key]
            # Its end has arrived, and its reading task, which closes it, may not have seen that yet. The
            # client forgets such a connection, and then nobody closes its socket (aiokafka 0.14).
            found.close(reason=CloseReason.CONNECTION_BROKEN)
            return None
        return found

    async def _connect(self, host: str, port: int) -> Any:
        network = self._network
        made = await connect(
            self._security, host, port, client_id=network._client_id,
            request_timeout_ms=network._request_timeout_ms, on_close=network._on_connection_closed,
            max_idle_ms=network._connections_max_idle_ms,
        )  # fmt: skip
        self.error = None
        return made

    def _tell(self, where: str, error: Exception) -> None:
        """Keep the reason, and log it once for as long as it is the same."""
        if self.error is None or describe(self.error) != describe(error):
            _log.warning("%s cannot be connected: %s", where, describe(error))
        self.error = error

    async def bootstrap(self) -> None:
        """
        Learn of the cluster's brokers from the first server that answers.

        Raises:
            KafkaConnectionError: none does; the last reason is its cause.
            Exception: a server refused who we are, or is not who it should be.
        """
        network = self._network
        for host, port, _ in network.hosts:
            try:
                connection = await self._connect(host, port)
                network.cluster.update_metadata(await self._brokers(connection))
            # Whatever it is, the next server may do better.
            except Exception as error:
                self._tell(f"{host}:{port}", error)
                if is_refusal(error):
                    raise
                continue
            if network.cluster.brokers():
                connection.close()
            else:
                # A cluster that has no topics may not tell its brokers yet.
                network._conns["bootstrap", ConnectionGroup.DEFAULT] = connection
            break
        else:
            raise KafkaConnectionError(f"Unable to bootstrap from {network.hosts}") from self.error
        if network._sync_task is None:
            network._sync_task = begin(network._md_synchronizer())

    @staticmethod
    async def _brokers(connection: Any) -> Any:
        try:
            return await connection.send(MetadataRequest([]))
        except Exception:
            connection.close()
            raise
