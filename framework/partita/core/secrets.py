"""Secrets: a type that does not show its value, where they come from, and one way to mask an address."""

import hmac
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NoReturn
from urllib.parse import parse_qsl, unquote_plus

from partita.core.errors import SettingsError

MASK = "***"
# What may stand in the environment, by the scheme of the address.
FROM_ENVIRONMENT: Mapping[str, tuple[str, ...]] = {
    "kafka": ("sasl_plain_username", "sasl_plain_password", "sasl_oauth_token", "ssl_password"),
    "nats": ("user", "password", "token"),
    "tls": ("user", "password", "token"),
}
_SECRET_WORDS = ("pass", "word", "secret", "token", "seed", "credential", "jwt")
# Names that hold such a word and name no secret.
_HOST = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[\w.-]*)(:[0-9]*)?(/[\w./-]*)?")
_PLACES = ("_file", "_provider", "user_credentials")


class Secret:
    """
    A text that is shown nowhere: not by `repr`, `str` or a format, and it cannot be pickled.

    Args:
        value: the text.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself, for whoever hands it to a client."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled; hand on where it comes from instead")


def is_secret(option: str) -> bool:
    """Whether the value of an option is a secret, by the option's name; where a secret is kept is none."""
    name = option.lower()
    return any(word in name for word in _SECRET_WORDS) and not name.endswith(_PLACES)


def masked_url(url: str) -> str:
    """
    An address as it may be shown: user names stay, and every secret is `***`.

    Whatever cannot be read as an address is masked rather than shown.
    """
    place, mark, query = url.partition("?")
    scheme, colon, rest = place.rpartition("://")
    user, at, hosts = rest.rpartition("@")
    if not all(_HOST.fullmatch(host) for host in hosts.split(",")):
        return f"{scheme}{colon}{MASK}"
    if at:
        name, has_password, _ = user.partition(":")
        rest = f"{name}:{MASK}@{hosts}" if has_password else f"{MASK}@{hosts}"
    shown = "&".join(_masked_option(each) for each in query.split("&"))
    return f"{scheme}{colon}{rest}{mark}{shown}"


def _masked_option(option: str) -> str:
    name, equals, _ = option.partition("=")
    # Without a "=" it may be the rest of a secret that holds a "&".
    return (
        f"{name}={MASK}"
        if equals and is_secret(unquote_plus(name))
        else option
        if equals or not option
        else MASK
    )


def exposed_secrets(url: str) -> Mapping[str, str]:
    """
    What of an address is a secret, by name, and the environment variable that it may stand in instead.

    The name is the option's, or `password` for that of the address's user. The variable is `PARTITA_BUS`,
    which holds the whole address, where a secret has none of its own.
    """
    place, _, query = url.partition("?")
    options = [name for name, value in parse_qsl(query, keep_blank_values=True) if is_secret(name) and value]
    names = (["password"] if "@" in place else []) + options
    scheme = url.partition("://")[0]
    own = FROM_ENVIRONMENT.get(scheme, ())
    return {name: _prefix(scheme) + name.upper() if name in own else "PARTITA_BUS" for name in names}


def from_environment(
    scheme: str,
    options: Mapping[str, str],
    environ: Mapping[str, str],
    said: Mapping[str, object] = MappingProxyType({}),
    read: Callable[[str], str] = str,
) -> Mapping[str, str]:
    """
    The options of an address, with those secrets that it lacks from the environment.

    `PARTITA_KAFKA_SASL_PLAIN_PASSWORD` is the option `sasl_plain_password` of a `kafka://` address, and
    `PARTITA_KAFKA_SASL_PLAIN_PASSWORD_FILE` the option `sasl_plain_password_file`, which names a file. For
    NATS the file is read now, with *read*.
    What stands in the address wins; over what the program has *said* the variable does. An empty variable
    counts as none, and so does one that the address has no use for: the password of a broker that another
    address is for.

    Raises:
        SettingsError: both variables of a secret are given.
    """
    found = dict(options)
    protocol = str(options.get("security_protocol") or said.get("security_protocol", ""))
    for name in FROM_ENVIRONMENT.get(scheme, ()):
        file = f"{name}_file"
        if name in options or file in options or not _is_used(name, protocol):
            continue
        variable = _prefix(scheme) + name.upper()
        value, path = environ.get(variable), environ.get(f"{variable}_FILE")
        if value and path:
            raise SettingsError(f"{variable} and {variable}_FILE are both in the environment; give one")
        if path and scheme != "kafka":
            value = read(path)
        found |= {name: value} if value else {file: path} if path else {}
    return found


def _is_used(name: str, protocol: str) -> bool:
    if name.startswith("sasl_"):
        return protocol.startswith("SASL")
    return protocol.endswith("SSL") if name.startswith("ssl_") else True


def _prefix(scheme: str) -> str:
    return "PARTITA_NATS_" if scheme == "tls" else f"PARTITA_{scheme.upper()}_"
