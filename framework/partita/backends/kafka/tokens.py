"""Tokens for OAUTHBEARER: kept, replaced before they end, and asked for once however many connect."""

import asyncio
import random
import time
from collections.abc import Callable

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import AuthenticationFailedError, KafkaTimeoutError

from partita.backends.kafka.asking import Function, Question
from partita.core.health import describe
from partita.core.refusals import Refusals
from partita.core.tokens import Token, read_token


class Tokens(AbstractTokenProvider):
    """
    Hands the client the token of a provider.

    A token is kept until 80 % of its life has passed. While the provider fails, an older one that is still
    good goes on being used, and the provider is asked again after 1 s, 2 s and so on up to 30 s.

    Args:
        provider: a function, plain or `async`, that returns the token, or token and seconds of its life; or
            a token provider of aiokafka.
        seconds: how long the provider may take.
        clock: seconds since 1970; tokens tell their end by it.
    """

    def __init__(
        self,
        provider: Function | AbstractTokenProvider,
        seconds: float = 10.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._provider, self._clock = provider, clock
        ask = provider.token if isinstance(provider, AbstractTokenProvider) else provider
        self._question = Question("the token provider", ask, seconds)
        self._kept: Token | None = None
        self._failures = Refusals()
        self._one_at_a_time = asyncio.Lock()

    async def token(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride] # it has no types
        """
        A token that is good, as far as can be known.

        Raises:
            KafkaTimeoutError: the provider gave none in time, and none of before is good.
            AuthenticationFailedError: it raised, or returned no token; what it raised is the cause.
        """
        async with self._one_at_a_time:
            now = self._clock()
            kept = self._kept
            if kept is not None and kept.is_fresh(now, random.uniform(-1.0, 1.0)):
                return kept.value.reveal()
            error = self._failures.standing(None, now)
            if error is None:
                try:
                    self._kept = kept = await self._asked()
                    self._failures.accepted()
                    return kept.value.reveal()
                except (KafkaTimeoutError, AuthenticationFailedError) as failed:
                    self._failures.refused(None, failed, self._clock())
                    error = failed
            if kept is not None and kept.is_good(now):
                return kept.value.reveal()
            raise error.with_traceback(None)  # or each time would add to it

    async def _asked(self) -> Token:
        try:
            return read_token(await self._question.ask(), self._clock())
        except KafkaTimeoutError:
            raise
        # Whatever the user's function raises; it is told, with the cause, to whoever wanted to connect.
        except Exception as error:
            raise AuthenticationFailedError(f"the token provider failed with {describe(error)}") from error

    def forget(self) -> None:
        """The server did not take the token: ask the provider for another one next time."""
        self._kept = None

    def extensions(self) -> dict[str, str]:
        """What the provider adds to the first message of a connection, if it is one of aiokafka's."""
        if isinstance(self._provider, AbstractTokenProvider):
            return dict(self._provider.extensions())  # type: ignore[no-untyped-call]
        return {}
