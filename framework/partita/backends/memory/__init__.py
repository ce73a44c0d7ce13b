"""
The backend without a server: topics, partitions, groups and rebalances in this process.

It is the reference for the contract that all backends keep.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from partita.backends.memory.backend import MemoryBackend
from partita.backends.memory.broker import MemoryBroker
from partita.backends.memory.settings import memory_settings
from partita.core.errors import SettingsError

__all__ = ["MemoryBackend", "MemoryBroker", "open_backend"]

_named: dict[str, MemoryBroker] = {}


def open_backend(address: str, options: Mapping[str, str]) -> MemoryBackend:
    """
    A backend for `memory://` or `memory://NAME`.

    Without a name each backend is a broker of its own; with one, all of that name in this process share
    a broker, made with the options of the first.

    Raises:
        SettingsError: the name or an option cannot be used.
    """
    settings = memory_settings(options)
    parts = urlsplit(address)
    name = parts.netloc
    if "@" in name or parts.path:
        raise SettingsError("the address of a memory bus is memory:// or memory://NAME and no more")
    broker = MemoryBroker(settings.partitions)
    if name:
        broker = _named.setdefault(name, broker)
    return MemoryBackend(broker, f"memory://{name}")
