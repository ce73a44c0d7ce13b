"""The connections of one client: what becomes of one that the broker has ended."""

import asyncio

import attrs
from aiokafka.client import ConnectionGroup
from aiokafka.conn import CloseReason

from partita.backends.kafka.connector import Connector
from partita.backends.kafka.security import Security


class Cluster:
    """Knows no broker."""

    def broker_metadata(self, node_id: object) -> None:
        """There is none."""


class EndedConnection:
    """A connection whose end has arrived, and whose reading task has not seen it yet."""

    def __init__(self) -> None:
        self.closed: list[object] = []

    def connected(self) -> bool:
        """Not any more."""
        return False

    def close(self, reason: object = None) -> None:
        """Note why."""
        self.closed.append(reason)


@attrs.define
class Network:
    """As much of the client's network as a connector uses when it looks for a connection."""

    _conns: dict[object, EndedConnection]
    cluster: Cluster = attrs.field(factory=Cluster)
    connector: object = None
    bootstrap: object = None
    _get_conn: object = None

    def force_metadata_update(self) -> None:
        """There is nothing to update."""


def test_a_connection_whose_end_was_seen_is_closed_before_it_is_forgotten() -> None:
    """Its reading task, which would close it, finds nobody later; and its socket would stay open."""
    ended = EndedConnection()
    there: dict[object, EndedConnection] = {(7, ConnectionGroup.DEFAULT): ended}
    connector = Connector(Network(there), Security())

    found = asyncio.run(connector.connection(7))

    assert found is None
    assert there == {}
    assert ended.closed == [CloseReason.CONNECTION_BROKEN]
