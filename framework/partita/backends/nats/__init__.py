"""
The backend for NATS JetStream, through nats-py.

A topic is a stream, a partition one of its subjects, a group's partition a durable consumer that the
server pins to one member. Ownership, fencing, takeover and commits are the server's.
"""

from collections.abc import Mapping

from partita.backends.nats.backend import NatsBackend
from partita.backends.nats.settings import nats_settings
from partita.core.client_settings import NatsSettings

__all__ = ["NatsBackend", "NatsSettings", "open_backend"]


def open_backend(
    address: str, options: Mapping[str, str], settings: NatsSettings = NatsSettings()
) -> NatsBackend:
    """
    A backend for `nats://HOST:PORT[,HOST:PORT]` or `tls://...`, not connected yet.

    Args:
        address: the servers, with user and password where they are needed.
        options: parameters of `nats.connect` under their own names; `pin_timeout`, seconds after which a
            silent member loses its partitions (default 10); `domain`, the JetStream domain.
        settings: what the program says of them; the address wins.

    Raises:
        SettingsError: the address names no server, or an option is unknown, refused or of a wrong type.
    """
    return NatsBackend(nats_settings(address, options, settings))
