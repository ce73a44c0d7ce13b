"""One connection to one broker, made with what holds now; a refusal is heard, and rests for a while."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aiokafka.conn import AIOKafkaConnection, OAuthAuthenticator, ScramAuthenticator
from aiokafka.errors import AuthenticationFailedError, SaslAuthenticationFailed

from partita.backends.kafka.calls import ended
from partita.backends.kafka.refusal import is_login_refusal, is_refusal
from partita.backends.kafka.security import Security
from partita.core.refusals import Refusals

_MOST_ITERATIONS = 1_000_000
_CLOSE_SECONDS = 1.0


class _BearerAuthenticator(OAuthAuthenticator):
    """Hears a token being refused: the client takes the broker's "no" for a "yes" (aiokafka 0.14)."""

    async def step(self, payload: bytes | None) -> Any:
        if payload:
            reason = payload.decode("utf-8", "replace")
            raise SaslAuthenticationFailed(f"the broker refused the token: {reason}")
        return await super().step(payload)  # type: ignore[no-untyped-call]


class _ScramAuthenticator(ScramAuthenticator):
    """Does not count for hours because a server says so: the client has no limit (aiokafka 0.14)."""

    def create_salted_password(self, salt: bytes, iterations: int) -> None:
        if iterations > _MOST_ITERATIONS:
            raise AuthenticationFailedError(f"the server asks for {iterations} rounds, which none needs")
        super().create_salted_password(salt, iterations)  # type: ignore[no-untyped-call]


class Connection(AIOKafkaConnection):
    """A connection to one broker."""

    _transport: Any = None

    def authenticator_oauth(self) -> Any:
        """The client's, that hears the answer."""
        return _made(_BearerAuthenticator, sasl_oauth_token_provider=self._sasl_oauth_token_provider)

    def authenticator_scram(self) -> Any:
        """The client's, with a limit."""
        return _made(
            _ScramAuthenticator,
            loop=self._loop,
            sasl_plain_password=self._sasl_plain_password,
            sasl_plain_username=self._sasl_plain_username,
            sasl_mechanism=self._sasl_mechanism,
        )

    def close(self, reason: Any = None, exc: Any = None) -> Any:
        """The client's, that remembers what it closes."""
        if self._writer is not None:
            self._transport = self._writer.transport
        return super().close(reason, exc)  # type: ignore[no-untyped-call]

    async def abort(self) -> None:
        """
        Close at once, and wait until it is closed.

        A close in good order waits for the other side to end TLS, for half a minute if it does not.
        """
        closed = self.close()
        if self._transport is not None:
            self._transport.abort()
            await ended(closed, _CLOSE_SECONDS)


def _made(kind: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    return kind(*arguments, **options)


async def connect(security: Security, host: str, port: int, **options: Any) -> Any:
    """
    A connection that is logged in.

    Args:
        security: what it is made with.
        host: the broker's.
        port: the broker's.
        **options: of the client's connection.

    Raises:
        Exception: why there is none; while credentials rest that were refused, what they were refused with.
    """
    now = asyncio.get_running_loop().time
    given = await security.connection_options()
    shown, server = tuple(_shown(given)), (host, port)
    for resting in (security.refusals.get(server), security.refusals.get(None)):
        if resting is not None and (error := resting.standing(shown, now())) is not None:
            raise error.with_traceback(None)  # or each time would add to it
    connection = _made(Connection, host, port, **options, **given)
    del given  # a traceback may show what its functions hold
    try:
        await connection.connect()
    except BaseException as error:
        # Cancelled as well: nobody else knows of the socket.
        await connection.abort()
        if is_refusal(error):
            # Whom one broker does not know none of them does; who a broker is, is its own affair.
            where = None if is_login_refusal(error) else server
            security.refusals.setdefault(where, Refusals()).refused(shown, error, now())
            security.forget_token()
            # Without the client's own functions, which hold what was sent: a traceback may show it.
            raise error.with_traceback(None) from error.__cause__
        raise
    security.refusals.pop(server, None)
    security.refusals.pop(None, None)
    return connection


def _shown(given: Mapping[str, Any]) -> Iterator[object]:
    """What is shown, as something to compare; the context is another one when its files have changed."""
    for name in ("sasl_plain_username", "sasl_plain_password", "ssl_context"):
        value = given.get(name)
        yield hash(value) if isinstance(value, str) else id(value)
