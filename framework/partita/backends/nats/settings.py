"""The servers of an address, and what `nats.connect` is given."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs

from partita.backends.nats.options import OWN, PARAMETERS, REFUSED, RULES, SECRETS, read_file
from partita.core.client_options import (
    ADDRESS,
    ClientOption,
    Table,
    masked,
    read_options,
    refuse,
    without_counterparts,
)
from partita.core.client_settings import NatsSettings
from partita.core.errors import SettingsError

DEFAULTS: Mapping[str, object] = {
    "max_reconnect_attempts": -1,
    "reconnect_time_wait": 0.5,
    "ping_interval": 15,
    "max_outstanding_pings": 2,
}


@attrs.frozen
class NatsSetup:
    """
    Where the servers are and how to speak with them, checked and converted.

    Args:
        servers: URLs for the client, without user and password.
        address: the address as it may be shown: without user and password.
        options: keywords for `nats.connect`.
        pin_timeout: seconds after which the server gives the partition of a silent member to another
            one; default 10. It counts when a group first reads a partition and stays as it was then.
        domain: the JetStream domain; default: the server's own.
        origins: where each option was given.
    """

    servers: tuple[str, ...]
    address: str
    options: Mapping[str, Any] = attrs.field(repr=False)
    pin_timeout: float = 10.0
    domain: str = ""
    origins: Mapping[str, str] = attrs.field(factory=dict, repr=False)

    @property
    def api(self) -> str:
        """The prefix of JetStream's API subjects."""
        return f"$JS.{self.domain}.API" if self.domain else "$JS.API"

    @property
    def encrypted(self) -> bool:
        """Whether TLS is asked for."""
        asked = self.options.get("tls_handshake_first") or self.options.get("tls") is not None
        return self.servers[0].startswith("tls://") or bool(asked)

    def told(self) -> Iterator[ClientOption]:
        """Every option that can be set, as it is used, with where it comes from; secrets are masked."""
        used = {**DEFAULTS, **self.options, "pin_timeout": self.pin_timeout, "domain": self.domain}
        for name in sorted({*PARAMETERS, *OWN} - REFUSED.keys()):
            ours = "partita" if name in DEFAULTS or name in OWN else "nats-py"
            theirs = PARAMETERS[name].default if name in PARAMETERS else OWN[name]
            value = used.get(name, theirs)
            yield ClientOption("", name, masked(name, value), self.origins.get(name, ours))


def nats_settings(
    address: str, options: Mapping[str, str], settings: NatsSettings = NatsSettings()
) -> NatsSetup:
    """
    Check an address with its options, which are still text, and what the program says.

    Raises:
        SettingsError: the address names no server, an option is unknown or refused, or its value is not
            of the type that the client takes; all that is wrong with options is told together.
    """
    servers, credentials = _servers(address)
    here = {**credentials, **options}
    said = Table("settings", without_counterparts(settings.options, here))
    read = read_options(RULES, (said, Table(ADDRESS, here)))
    refuse(read.problems)
    given: dict[str, Any] = {**OWN, **read.values[""]}
    pin_timeout, domain = float(given.pop("pin_timeout")), str(given.pop("domain"))
    scheme, shown = urlsplit(address).scheme, ",".join(urlsplit(server).netloc for server in servers)
    for name in SECRETS:
        if (path := given.pop(f"{name}_file", None)) is not None:
            given[name] = partial(read_file, str(path))
    used = {**DEFAULTS, **given}
    return NatsSetup(servers, f"{scheme}://{shown}", used, pin_timeout, domain, read.origins[""])


def _servers(address: str) -> tuple[tuple[str, ...], Mapping[str, str]]:
    parts = urlsplit(address)
    user, at, hosts = parts.netloc.rpartition("@")
    names = [host for host in hosts.split(",") if host]
    try:
        legal = all(urlsplit(f"//{host}").hostname for host in names)
        _ = [urlsplit(f"//{host}").port for host in names]
    except ValueError:
        legal = False
    if not names or not legal or parts.path.strip("/"):
        raise SettingsError(
            f"give the servers as {parts.scheme}://HOST:PORT, several with commas between them"
        )
    return tuple(f"{parts.scheme}://{host}" for host in names), _credentials(user) if at else {}


def _credentials(text: str) -> Mapping[str, str]:
    """
    As options, because the client sends those of an address without decoding them (nats-py 2.16.0).

    One word alone is a token, as with every client of NATS.
    """
    user, colon, password = text.partition(":")
    if not colon:
        return {"token": unquote(user)}
    return {"user": unquote(user), "password": unquote(password)}
