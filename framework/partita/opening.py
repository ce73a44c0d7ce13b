"""From an address to a bus: which backend a scheme names, loaded when it is asked for."""

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Protocol, cast
from urllib.parse import parse_qsl, urlsplit

from partita.bus import EventBus
from partita.core.errors import SettingsError
from partita.core.ports import Backend
from partita.core.process_flow import DEFAULT_LIMITS, FlowLimits
from partita.core.secrets import from_environment
from partita.core.settings import nearest

# A table, not a name made from the scheme: an address must never choose what is imported.
SCHEMES: Mapping[str, str] = {
    "memory": "partita.backends.memory",
    "kafka": "partita.backends.kafka",
    "nats": "partita.backends.nats",
    "tls": "partita.backends.nats",
}


class BackendModule(Protocol):
    """What each backend package exports."""

    def open_backend(self, address: str, options: Mapping[str, str]) -> Backend:
        """A backend for an address without its query, not connected yet."""
        ...


def open_bus(url: str = "memory://", *, limits: FlowLimits = DEFAULT_LIMITS) -> EventBus:
    """
    A bus on the broker at *url*, connected when it is entered with `async with`.

    Args:
        url: `memory://`, `kafka://HOST:PORT[,HOST:PORT]` or `nats://HOST:PORT`; options of the client
            follow in the query under the client's own names.
        limits: how much of what the bus reads may be in hand at once in this process.

    Raises:
        SettingsError: the scheme or an option is unknown, or a value cannot be used.
    """
    address, options = split_address(url)
    options = from_environment(address.partition("://")[0], options, os.environ)
    module = cast("BackendModule", import_module(SCHEMES[address.partition("://")[0]]))  # by the table
    return EventBus(module.open_backend(address, options), limits)


def split_address(url: str) -> tuple[str, Mapping[str, str]]:
    """
    The address without its query, and the query's options.

    Raises:
        SettingsError: the scheme is unknown, the address cannot be read, or an option is given twice.
    """
    scheme, colon, _ = url.partition("://")
    if not colon or scheme not in SCHEMES:
        named = scheme if colon else ""
        raise SettingsError(
            f"no bus is known by the scheme {named!r}; {nearest(named, SCHEMES)} "
            "(for example kafka://127.0.0.1:9092, nats://127.0.0.1:4222 or memory://)"
        )
    address, _, query = url.partition("?")
    if not _is_readable(address):
        # Without the address itself: it may hold a password.
        raise SettingsError(f"the address of the bus cannot be read; write {scheme}://HOST:PORT?OPTION=VALUE")
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in options:
            raise SettingsError(f"the option {name!r} is given twice in the address of the bus")
        options[name] = value
    return address, options


def _is_readable(address: str) -> bool:
    try:
        return not urlsplit(address).fragment
    except ValueError:
        return False
