"""Tokens from a provider of the user's: kept, got once, and a provider in trouble harms nobody."""

import asyncio
import threading
from collections.abc import Callable

import pytest
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import AuthenticationFailedError, KafkaTimeoutError

from partita.backends.kafka.tokens import Tokens


class Clock:
    """Time that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self.now


class Issuer:
    """Hands out numbered tokens that live for 100 s, or raises."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None

    async def __call__(self) -> tuple[str, float]:
        """The next token."""
        self.asked += 1
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return f"token {self.asked}", 100.0


def test_connections_that_begin_together_ask_once() -> None:
    """Four clients connect at the start, and all of them again after an outage."""
    issuer = Issuer()

    async def scenario() -> None:
        tokens = Tokens(issuer.__call__, clock=Clock())

        found = await asyncio.gather(*[tokens.token() for _ in range(10)])

        assert (found, issuer.asked) == (["token 1"] * 10, 1)

    asyncio.run(scenario())


def test_a_token_is_kept_until_most_of_its_life_has_passed() -> None:
    """Between 75 and 85 of its 100 seconds it is replaced."""
    issuer, clock = Issuer(), Clock()

    async def scenario() -> None:
        tokens, found = Tokens(issuer.__call__, clock=clock), list[str]()
        for age in (0.0, 74.0, 86.0):
            clock.now = 1000.0 + age
            found.append(await tokens.token())

        assert found == ["token 1", "token 1", "token 2"]

    asyncio.run(scenario())


def test_a_provider_that_raises_is_told_by_its_error_and_not_asked_again_at_once() -> None:
    """The client's own kind of error, whose cause is what was raised; the issuer gets time to recover."""
    issuer, clock = Issuer(), Clock()
    issuer.error = RuntimeError("HTTP 503")

    async def scenario() -> None:
        tokens = Tokens(issuer.__call__, clock=clock)
        with pytest.raises(AuthenticationFailedError, match="RuntimeError: HTTP 503") as first:
            await tokens.token()
        with pytest.raises(AuthenticationFailedError) as second:
            await tokens.token()
        clock.now += 1.0
        issuer.error = None
        found = await tokens.token()

        assert first.value.__cause__ is not None
        assert second.value is first.value
        assert (found, issuer.asked) == ("token 2", 2)

    asyncio.run(scenario())


def test_a_token_that_is_still_good_outlasts_a_provider_in_trouble() -> None:
    """An issuer that is away for a minute stops nobody; one that stays away does."""
    issuer, clock = Issuer(), Clock()

    async def scenario() -> None:
        tokens = Tokens(issuer.__call__, clock=clock)
        await tokens.token()
        issuer.error = RuntimeError("away")
        clock.now = 1099.0
        late = await tokens.token()
        clock.now = 1100.0
        with pytest.raises(AuthenticationFailedError):
            await tokens.token()

        assert late == "token 1"

    asyncio.run(scenario())


def test_a_token_that_the_broker_refused_is_got_anew() -> None:
    """It may have been revoked, whatever it says of its own end."""
    issuer = Issuer()

    async def scenario() -> None:
        tokens = Tokens(issuer.__call__, clock=Clock())
        await tokens.token()
        tokens.forget()

        assert await tokens.token() == "token 2"

    asyncio.run(scenario())


def test_a_provider_that_hangs_is_given_up_after_its_time_and_asked_once() -> None:
    """While it hangs the loop turns; whoever connects next waits for the same call."""
    calls, clock, release = list[int](), Clock(), threading.Event()

    def hang() -> str:
        calls.append(1)
        release.wait(10.0)
        return "late"

    async def scenario() -> None:
        tokens = Tokens(hang, seconds=0.02, clock=clock)
        for _ in range(3):
            with pytest.raises(KafkaTimeoutError, match="gave nothing within"):
                await tokens.token()
            clock.now += 60.0
        release.set()

        assert len(calls) == 1

    asyncio.run(scenario())


def test_a_provider_that_blocks_does_not_block_the_loop() -> None:
    """It is called in a thread: here it waits for what only the loop can do."""
    turned = threading.Event()

    def block() -> str:
        assert turned.wait(10.0)
        return "token"

    async def scenario() -> None:
        tokens = Tokens(block, clock=Clock())
        asyncio.get_running_loop().call_later(0.01, turned.set)

        assert await tokens.token() == "token"

    asyncio.run(scenario())


@pytest.mark.parametrize("given", [None, b"planted", ("planted", "soon")])
def test_what_is_no_token_is_told_without_showing_it(given: object) -> None:
    """A provider that returns bytes has most of a secret in its hands."""

    def provide() -> object:
        return given

    async def scenario() -> None:
        with pytest.raises(AuthenticationFailedError, match="return the token as str") as raised:
            await Tokens(provide, clock=Clock()).token()

        assert "planted" not in str(raised.value)

    asyncio.run(scenario())


class Provider(AbstractTokenProvider):
    """A token provider as the client has them."""

    async def token(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride] # it has no types
        """The token."""
        return "own"

    def extensions(self) -> dict[str, str]:
        """What goes with it."""
        return {"tenant": "7"}


@pytest.mark.parametrize(
    ("provider", "found"), [(Provider(), ("own", {"tenant": "7"})), (lambda: "plain", ("plain", {}))]
)
def test_a_provider_of_the_client_s_own_kind_and_a_plain_function_are_taken(
    provider: Callable[[], object], found: tuple[str, dict[str, str]]
) -> None:
    """Whoever has one for aiokafka brings it along, with its extensions."""

    async def scenario() -> None:
        tokens = Tokens(provider)

        assert (await tokens.token(), tokens.extensions()) == found

    asyncio.run(scenario())
