"""What may be said about the client, read from the signature of `connect` that is installed."""

import inspect
import ssl
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

from nats.aio.client import Client

from partita.core.client_options import Rules
from partita.core.option_types import (
    OptionType,
    any_of,
    is_function,
    number,
    seconds,
    switch,
    text,
    thing,
    whole,
)

PARAMETERS: Mapping[str, inspect.Parameter] = {
    name: each for name, each in inspect.signature(Client.connect).parameters.items() if name != "self"
}
# Of the client's own: it takes functions for these, and so a file may be read for each connection.
SECRETS = ("user", "password", "token")
OWN: Mapping[str, object] = {
    "pin_timeout": 10.0,
    "domain": "",
    **{f"{name}_file": None for name in SECRETS},
}
LEAST_PIN = 2.0  # seconds
REFUSED: Mapping[str, str] = {
    "servers": "the servers stand in the address itself, separated by commas",
    "skip_subject_validation": "without that check text from a message can inject protocol commands",
}
# Called by the client in its own tasks, which an error of theirs would end.
CALLBACKS = (
    "error_cb", "disconnected_cb", "closed_cb", "discovered_server_cb", "reconnected_cb", "lame_duck_mode_cb",
)  # fmt: skip
# Parameters that the client passes on to `sleep` and `wait_for`, which take parts of a second as well.
_TIMES = ("connect_timeout", "reconnect_time_wait", "ping_interval", "drain_timeout", "flush_timeout")
_NO_TEXT = "which cannot be given as text"


def _keyed(name: str, *, is_file: bool) -> Callable[[object], object]:
    """What needs a package that the client does not bring, and perhaps a file. Raises ValueError."""

    def finish(value: object) -> object:
        if find_spec("nkeys") is None:
            raise ValueError(
                f"the option {name!r} needs a package that is not there; run 'pip install nkeys'"
            )
        if is_file and isinstance(value, str) and not Path(value).is_file():
            raise ValueError(f"the option {name!r} names no file")
        return value

    return finish


def _readable(name: str) -> Callable[[object], object]:
    """The file that an option names, if there is one. Raises ValueError."""

    def finish(value: object) -> object:
        if not Path(str(value)).is_file():
            raise ValueError(f"the option {name!r} names no file: {value}")
        return value

    return finish


def read_file(path: str) -> str:
    """A secret from a file; a line end after it does not count."""
    return Path(path).read_text().rstrip("\r\n")


def _is_domain(value: object) -> bool:
    return isinstance(value, str) and (not value or value.replace("-", "").replace("_", "").isalnum())


def _is_pin(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and LEAST_PIN <= value < 1e9


_ASKED = thing("a function that returns it", is_function)
_TYPES: Mapping[str, OptionType] = {
    "pin_timeout": OptionType("a number of seconds, 2 seconds or more", _is_pin, float),
    "domain": OptionType("the name of a JetStream domain", _is_domain, str),
    "max_reconnect_attempts": number(least=-1),
    "user": any_of(text(), _ASKED),
    "password": any_of(text(), _ASKED),
    "token": any_of(text(), _ASKED),
    **{f"{name}_file": text(_readable(f"{name}_file")) for name in SECRETS},
    "inbox_prefix": any_of(text(), thing("bytes", lambda value: isinstance(value, bytes) and value != b"")),
    "user_credentials": text(_keyed("user_credentials", is_file=True)),
    "nkeys_seed": text(_keyed("nkeys_seed", is_file=True)),
    "nkeys_seed_str": text(_keyed("nkeys_seed_str", is_file=False)),
    "tls": thing(f"an ssl.SSLContext, {_NO_TEXT}", lambda value: isinstance(value, ssl.SSLContext)),
    "ws_connection_headers": thing(
        f"a mapping of lists of str, {_NO_TEXT}", lambda value: isinstance(value, Mapping)
    ),
    "signature_cb": thing(f"a function, {_NO_TEXT}", callable),
    "user_jwt_cb": thing(f"a function, {_NO_TEXT}", callable),
    "reconnect_to_server_handler": thing(f"a function, {_NO_TEXT}", callable),
    **{
        name: thing(f"an 'async def' function, {_NO_TEXT}", inspect.iscoroutinefunction) for name in CALLBACKS
    },
    **{name: seconds() for name in _TIMES},
}


def type_of(name: str) -> OptionType:
    """What an option takes: as is written here, else as its default in the client's signature is."""
    if (known := _TYPES.get(name)) is not None:
        return known
    default: object = PARAMETERS[name].default
    if isinstance(default, bool):
        return switch()
    return whole() if isinstance(default, int) else text()


RULES = Rules("nats://", {"": (*PARAMETERS, *OWN)}, type_of, REFUSED)
