"""From an address to a bus: which backend a scheme names, loaded when it is asked for."""

import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast
from urllib.parse import parse_qsl, urlsplit

from partita.bus import EventBus
from partita.core.client_settings import GivenSettings, KafkaSettings, NatsSettings
from partita.core.errors import SettingsError
from partita.core.ports import Backend
from partita.core.process_flow import DEFAULT_LIMITS, FlowLimits
from partita.core.secrets import from_environment
from partita.core.settings import nearest
from partita.interceptors import Interceptors, OnConsume, OnPublish

# A table, not a name made from the scheme: an address must never choose what is imported.
SCHEMES: Mapping[str, str] = {
    "memory": "partita.backends.memory",
    "kafka": "partita.backends.kafka",
    "nats": "partita.backends.nats",
    "tls": "partita.backends.nats",
}


class BackendModule(Protocol):
    """What each backend package exports."""

    def open_backend(self, address: str, options: Mapping[str, str], *more: GivenSettings) -> Backend:
        """A backend for an address without its query, not connected yet."""
        ...


def open_bus(
    url: str = "memory://",
    *,
    limits: FlowLimits = DEFAULT_LIMITS,
    settings: GivenSettings | None = None,
    on_publish: Sequence[OnPublish] = (),
    on_consume: Sequence[OnConsume] = (),
) -> EventBus:
    """
    A bus on the broker at *url*, connected when it is entered with `async with`.

    Args:
        url: `memory://`, `kafka://HOST:PORT[,HOST:PORT]` or `nats://HOST:PORT`; options of the client
            follow in the query under the client's own names.
        limits: how much of what the bus reads may be in hand at once in this process.
        settings: options of the client in Python, `KafkaSettings` or `NatsSettings`; those of the address
            win, and so do secrets in the environment.
        on_publish: functions of the topic and the `Outgoing` message that return the message to send; called
            in this order, last before the client. What one raises is that message's outcome.
        on_consume: functions of the client's record that return it, or one like it, for the handler; called
            before each attempt. What one raises is that attempt's outcome. Which handler a message has, its
            ordering key and its dead letter are those of the record as it came.

    Raises:
        SettingsError: the scheme or an option is unknown, or a value cannot be used; what is wrong with
            options is told together.
    """
    address, options = split_address(url)
    scheme = address.partition("://")[0]
    more = () if settings is None else (_for_scheme(settings, scheme),)
    if "@" not in address:  # or the address brings the secrets of its user along
        said = more[0].said if more else {}
        options = from_environment(scheme, options, os.environ, said, _secret_in)
    module = cast("BackendModule", import_module(SCHEMES[scheme]))  # by the table
    return EventBus(
        module.open_backend(address, options, *more), limits, Interceptors(on_publish, on_consume)
    )


def _secret_in(path: str) -> str:
    """The secret in a file; a line end after it does not count. Raises SettingsError."""
    try:
        return Path(path).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the file of a secret cannot be read: {path}: {type(error).__name__}") from error


def _for_scheme(settings: GivenSettings, scheme: str) -> GivenSettings:
    """Settings, if they are for the client that the scheme stands for. Raises SettingsError."""
    wanted = {"kafka": KafkaSettings, "nats": NatsSettings, "tls": NatsSettings}.get(scheme)
    if wanted is None or not isinstance(settings, wanted):
        takes = f"take {wanted.__name__}" if wanted else "have options in their query only"
        raise SettingsError(f"settings={type(settings).__name__}(...): addresses with {scheme}:// {takes}")
    return settings


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
