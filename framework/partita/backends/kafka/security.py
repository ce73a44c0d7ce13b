"""How a bus shows who it is and knows whom it speaks to, read anew for each connection."""

import asyncio
import ipaddress
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs
from aiokafka.abc import AbstractTokenProvider

from partita.backends.kafka.asking import Question, in_a_thread, reading
from partita.backends.kafka.tls import TlsFiles
from partita.backends.kafka.tokens import Tokens
from partita.core.errors import SettingsError
from partita.core.refusals import Refusals
from partita.core.secrets import Secret

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI")
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
# Beside those of the client, which takes no file and an object in place of the first three.
FILES = ("ssl_cafile", "ssl_certfile", "ssl_keyfile")
SECRETS = ("sasl_plain_username", "sasl_plain_password", "sasl_oauth_token", "ssl_password")
OWN_OPTIONS = (
    *FILES,
    *(f"{name}_file" for name in SECRETS),
    "ssl_password",
    "sasl_oauth_token",
    "allow_insecure",
)
# These send what they know; the others prove that they know it.
_TELL = ("PLAIN", "OAUTHBEARER")
_TLS_OPTIONS = (*FILES, "ssl_password", "ssl_password_file", "ssl_context")


@attrs.define(eq=False)
class Login:
    """
    Where one secret comes from.

    Args:
        fixed: the secret itself.
        question: asks for it at each connect.
    """

    fixed: Secret | None = None
    question: Question | None = None

    async def value(self) -> Secret | None:
        """The secret as it is now; None: there is none. Raises what the question raises."""
        if self.question is None:
            return self.fixed
        found = await self.question.ask()
        return found if isinstance(found, Secret) else Secret(str(found))


@attrs.define(eq=False)
class Security:
    """
    What every connection of a bus is made with.

    Args:
        protocol: one of `PROTOCOLS`.
        mechanism: one of `MECHANISMS`.
        username: of PLAIN and SCRAM.
        password: of PLAIN and SCRAM.
        key_password: of an encrypted private key.
        tls: certificates.
        context: of the user's own, in place of *tls*.
        tokens: of OAUTHBEARER.
        kerberos: the client's options for GSSAPI.
        refusals: what servers have refused: of a server by host and port, the login of all under None.
    """

    protocol: str = "PLAINTEXT"
    mechanism: str = "PLAIN"
    username: Login = attrs.field(factory=Login, repr=False)
    password: Login = attrs.field(factory=Login, repr=False)
    key_password: Login = attrs.field(factory=Login, repr=False)
    tls: TlsFiles | None = None
    context: ssl.SSLContext | None = None
    tokens: Tokens | None = None
    kerberos: Mapping[str, Any] = attrs.field(factory=dict)
    refusals: dict[object, Refusals] = attrs.field(factory=dict)

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is used."""
        return self.protocol.endswith("SSL")

    @property
    def logs_in(self) -> bool:
        """Whether SASL is used."""
        return self.protocol.startswith("SASL")

    def client_options(self) -> dict[str, Any]:
        """What a client's constructor wants to see; connections are made with `connection_options`."""
        options: dict[str, Any] = {"security_protocol": self.protocol}
        if self.is_encrypted:
            options["ssl_context"] = self._context(self.key_password.fixed)
        if self.logs_in:
            options |= {"sasl_mechanism": self.mechanism, **self.kerberos}
            if self.tokens is not None:
                options["sasl_oauth_token_provider"] = self.tokens
            for name, login in (
                ("sasl_plain_username", self.username),
                ("sasl_plain_password", self.password),
            ):
                options[name] = login.fixed.reveal() if login.fixed is not None else ""
        return options

    async def connection_options(self) -> dict[str, Any]:
        """
        What the next connection is made with: files are read and functions asked now.

        Raises:
            SettingsError: a file cannot be used.
            Exception: what a function raised, or that it took too long.
        """
        options = dict(self.kerberos) | {"security_protocol": self.protocol}
        if self.is_encrypted:
            password = await self.key_password.value()
            options["ssl_context"] = (await in_a_thread(lambda: self._context(password))).value
        if self.logs_in:
            options["sasl_mechanism"] = self.mechanism
            if self.tokens is not None:
                options["sasl_oauth_token_provider"] = self.tokens
            username, password = await asyncio.gather(self.username.value(), self.password.value())
            options["sasl_plain_username"] = username.reveal() if username is not None else None
            options["sasl_plain_password"] = password.reveal() if password is not None else None
        return options

    def forget_token(self) -> None:
        """A server did not take the token."""
        if self.tokens is not None:
            self.tokens.forget()

    def _context(self, password: Secret | None) -> ssl.SSLContext:
        if self.context is not None:
            return self.context
        if self.tls is None:
            self.tls = TlsFiles({})
        return self.tls.context(password)


def security_of(options: Mapping[str, Any], servers: Iterable[str]) -> Security:
    """
    Check what options say of security.

    Raises:
        SettingsError: an option cannot be used, two cannot hold together, or the password would be sent
            to another machine in clear text.
    """
    _check_pairs(options)
    protocol = options.get("security_protocol", "PLAINTEXT")
    mechanism = options.get("sasl_mechanism", "PLAIN")
    named = {name: Path(options[name]) for name in FILES if name in options}
    made = Security(
        protocol,
        mechanism,
        _login("sasl_plain_username", options),
        _login("sasl_plain_password", options),
        _login("ssl_password", options),
        TlsFiles(named) if named else None,
        options.get("ssl_context"),
        _tokens(options) if mechanism == "OAUTHBEARER" and protocol.startswith("SASL") else None,
        {name: options[name] for name in options if name.startswith("sasl_kerberos_")},
    )
    _check_login(made)
    telling = protocol == "SASL_PLAINTEXT" and mechanism in _TELL and not options.get("allow_insecure")
    for server in servers:
        if telling and not is_loopback(server.rpartition(":")[0]):
            raise SettingsError(
                f"security_protocol=SASL_PLAINTEXT would send what {mechanism} knows to {server} in clear "
                "text; use SASL_SSL, or say allow_insecure=true if nobody else is on that network"
            )
    if made.is_encrypted and made.key_password.question is None:
        made.client_options()
    return made


def is_of_security(option: str) -> bool:
    """Whether an option says how a connection is made, which is the same for all clients of a bus."""
    return option == "security_protocol" or option.startswith(("sasl_", "ssl_")) or option in OWN_OPTIONS


def is_loopback(host: str) -> bool:
    """Whether what is sent to a host stays on this machine, as far as its name tells."""
    host = host.strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_pairs(options: Mapping[str, Any]) -> None:
    protocol = options.get("security_protocol", "PLAINTEXT")
    for name in options:
        if name in _TLS_OPTIONS and not protocol.endswith("SSL"):
            raise SettingsError(f"{name} is for TLS; give security_protocol=SSL or SASL_SSL as well")
        if name.startswith("sasl_") and not protocol.startswith("SASL"):
            raise SettingsError(f"{name} is for SASL; give security_protocol=SASL_SSL as well")
        if name.endswith("_file") and name.removesuffix("_file") in options:
            raise SettingsError(f"{name.removesuffix('_file')} and {name} are both given; give one")
    if "ssl_context" in options and any(name in options for name in (*FILES, "ssl_password")):
        raise SettingsError("ssl_context brings its own certificates; give it, or files")
    if "ssl_keyfile" in options and "ssl_certfile" not in options:
        raise SettingsError("ssl_keyfile is the key of a certificate; give ssl_certfile as well")
    if (mechanism := options.get("sasl_mechanism", "PLAIN")) not in MECHANISMS:
        raise SettingsError(
            f"the option 'sasl_mechanism' is one of {', '.join(MECHANISMS)}, not {mechanism!r}"
        )


def _check_login(made: Security) -> None:
    if not made.logs_in or made.mechanism == "GSSAPI":
        return
    if made.mechanism == "OAUTHBEARER":
        if made.tokens is None:
            raise SettingsError(
                "SASL OAUTHBEARER needs sasl_oauth_token_provider (in Python) or sasl_oauth_token_file"
            )
        return
    for name, login in (("sasl_plain_username", made.username), ("sasl_plain_password", made.password)):
        if login.question is None and (login.fixed is None or not login.fixed.reveal()):
            raise SettingsError(
                f"SASL {made.mechanism} needs the options sasl_plain_username and sasl_plain_password: there "
                f"is no {name}, no {name}_file, and no PARTITA_KAFKA_{name.upper()} in the environment"
            )


def _login(name: str, options: Mapping[str, Any]) -> Login:
    if (path := options.get(f"{name}_file")) is not None:
        return Login(question=Question(f"{name}_file", reading(f"{name}_file", _file(name, path))))
    given = options.get(name)
    if callable(given):
        return Login(question=Question(name, given))
    return Login(given if isinstance(given, Secret | None) else Secret(str(given)))


def _file(name: str, path: str) -> Path:
    """Raises SettingsError when there is no such file, so that it is told at once."""
    if not Path(path).is_file():
        raise SettingsError(f"{name}_file names no file: {path}")
    return Path(path)


def _tokens(options: Mapping[str, Any]) -> Tokens | None:
    provider = options.get("sasl_oauth_token_provider")
    if isinstance(provider, AbstractTokenProvider) or callable(provider):
        return Tokens(provider)
    if provider is not None:
        raise SettingsError("sasl_oauth_token_provider is a function, or a token provider of aiokafka")
    login = _login("sasl_oauth_token", options)
    if login.question is None and login.fixed is None:
        return None

    async def token() -> str:
        found = await login.value()
        assert found is not None
        return found.reveal()

    return Tokens(token)
