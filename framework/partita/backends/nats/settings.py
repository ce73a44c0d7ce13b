"""The options of a `nats://` address: the client's under their own names, and two of ours."""

import inspect
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import attrs
from nats.aio.client import Client

from partita.core.errors import SettingsError
from partita.core.settings import nearest

Option = str | int | float | bool

DEFAULTS: Mapping[str, Option] = {
    "max_reconnect_attempts": -1,
    "reconnect_time_wait": 0.5,
    "ping_interval": 15,
    "max_outstanding_pings": 2,
}
_NO_TEXT = "it is an object of the program and cannot be given as text"
_REFUSED: Mapping[str, str] = {
    "servers": "the servers stand in the address itself, separated by commas",
    "skip_subject_validation": "without that check text from a message can inject protocol commands",
    **dict.fromkeys(
        (
            "error_cb",
            "disconnected_cb",
            "closed_cb",
            "discovered_server_cb",
            "reconnected_cb",
            "lame_duck_mode_cb",
            "signature_cb",
            "user_jwt_cb",
            "reconnect_to_server_handler",
            "ws_connection_headers",
            "tls",
        ),
        _NO_TEXT,
    ),
}
# Signed with by a package that the client does not bring.
_KEYS = frozenset({"user_credentials", "nkeys_seed", "nkeys_seed_str"})
_SWITCHES = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@attrs.frozen
class NatsSettings:
    """
    Where the servers are and how to speak with them.

    Args:
        servers: URLs for the client, without user and password.
        address: the address as it may be shown: without user and password.
        options: keywords for `nats.connect`.
        pin_timeout: seconds after which the server gives the partition of a silent member to another
            one; default 10. It counts when a group first reads a partition and stays as it was then.
        domain: the JetStream domain; default: the server's own.
    """

    servers: tuple[str, ...]
    address: str
    options: Mapping[str, Option] = attrs.field(repr=False)
    pin_timeout: float = 10.0
    domain: str = ""

    @property
    def api(self) -> str:
        """The prefix of JetStream's API subjects."""
        return f"$JS.{self.domain}.API" if self.domain else "$JS.API"

    @property
    def encrypted(self) -> bool:
        """Whether the address asks for TLS."""
        return self.servers[0].startswith("tls://") or bool(self.options.get("tls_handshake_first"))


def nats_settings(address: str, options: Mapping[str, str]) -> NatsSettings:
    """
    Read an address and its options.

    Raises:
        SettingsError: the address names no server, an option is unknown or refused, or its value is not
            of the type that the client takes.
    """
    servers, credentials = _servers(address)
    rest = {**credentials, **options}
    pin_timeout = _seconds("pin_timeout", rest.pop("pin_timeout", "10"))
    if pin_timeout < 2:
        raise SettingsError(f"nats://?pin_timeout={pin_timeout:g}: give 2 seconds or more")
    domain = rest.pop("domain", "")
    if domain and not domain.replace("-", "").replace("_", "").isalnum():
        raise SettingsError("nats://?domain= is no name of a JetStream domain")
    given = {name: _converted(name, text) for name, text in rest.items()}
    scheme, shown = urlsplit(address).scheme, ",".join(urlsplit(server).netloc for server in servers)
    return NatsSettings(servers, f"{scheme}://{shown}", {**DEFAULTS, **given}, pin_timeout, domain)


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


def known_options() -> tuple[str, ...]:
    """Every name that may follow `nats://?`."""
    names = inspect.signature(Client.connect).parameters
    return ("pin_timeout", "domain", *(name for name in names if name != "self" and name not in _REFUSED))


def _converted(name: str, text: str) -> Option:
    if name in _REFUSED:
        raise SettingsError(f"nats:// does not take the option {name!r}: {_REFUSED[name]}")
    known = known_options()
    if name not in known:
        raise SettingsError(f"nats:// has no option {name!r}; {nearest(name, known)}")
    return _converter(name)(name, text)


def _converter(name: str) -> Callable[[str, str], Option]:
    default = inspect.signature(Client.connect).parameters[name].default
    if isinstance(default, bool):
        return _switch
    if name in _TIMES:
        return _seconds
    return _whole if isinstance(default, int) else _text


# Parameters that the client passes on to `sleep` and `wait_for`, which take parts of a second as well.
_TIMES = frozenset(
    {"connect_timeout", "reconnect_time_wait", "ping_interval", "drain_timeout", "flush_timeout"}
)


def _switch(name: str, text: str) -> bool:
    if text.lower() not in _SWITCHES:
        raise SettingsError(f"nats://?{name}={text}: give true or false")
    return _SWITCHES[text.lower()]


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SettingsError(f"nats://?{name}={text}: give a whole number") from None


def _seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e9:
        raise SettingsError(f"nats://?{name}={text}: give seconds above 0")
    return seconds


def _text(name: str, text: str) -> str:
    if not text:
        raise SettingsError(f"nats://?{name}= is empty")
    if name in _KEYS and find_spec("nkeys") is None:
        raise SettingsError(f"nats://?{name}= needs a package that is not there; run 'pip install nkeys'")
    if name in _KEYS - {"nkeys_seed_str"} and not Path(text).is_file():
        raise SettingsError(f"nats://?{name}= names no file")
    return text
