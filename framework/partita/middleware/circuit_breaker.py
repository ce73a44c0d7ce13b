"""Circuit breaker: while what a handler depends on is away, its messages wait, and one at a time tries."""

import asyncio
from collections.abc import Sequence

from partita.core.breaker import Breaker, BreakerPolicy, BreakerState, Go, Wait
from partita.core.errors import DecodeError, SettingsError
from partita.message import Message
from partita.middleware.compose import CallNext, hold


class CircuitBreaker:
    """
    A middleware that stops calling a handler that keeps failing.

    While it is open, calls wait here: each keeps its place in its partition or key and costs no attempt,
    so its route takes in no more than what flow control lets wait. After *open_for* seconds one message,
    the canary, is handled: its success lets all others go, its failure is an attempt of that one message
    and opens the breaker again. A drain does not wait for messages that wait here.

    One object stands for one dependency: routes that are given the same object stop and go together. It
    belongs to one event loop at a time.

    Args:
        failures: opens after so many failures in a row; None: it does not look at rows. Default 5.
        ratio: opens when at least this share of the last *window* calls failed. Default None: no ratio.
        window: calls that the ratio is taken of. Default 100.
        open_for: seconds from the opening to the canary. Default 30.
        counts: the errors that speak of the dependency; others are neither failures nor successes. A
            message that cannot be decoded never counts. Default: every `Exception`.

    Raises:
        SettingsError: a value is outside its range.
    """

    def __init__(
        self,
        *,
        failures: int | None = 5,
        ratio: float | None = None,
        window: int = 100,
        open_for: float = 30.0,
        counts: Sequence[type[Exception]] = (Exception,),
    ) -> None:
        self._breaker = Breaker(BreakerPolicy(failures, ratio, window, open_for))
        self._counts = tuple(counts)
        for each in self._counts:
            if not (isinstance(each, type) and issubclass(each, Exception)):
                raise SettingsError(f"CircuitBreaker(counts=...): {each!r} is no class of exceptions")
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def state(self) -> BreakerState:
        """Closed, open or half-open."""
        return self._breaker.state

    @property
    def waiting(self) -> int:
        """Messages that wait here."""
        return len(self._waiting)

    async def __call__(self, message: Message, call_next: CallNext) -> object:
        """
        Handle *message* when the breaker lets it.

        Raises:
            Postponed: its partition goes away while it waits.
            BaseException: the handler's own error, untouched.
        """
        go = self._breaker.free or await self._admitted(message)
        try:
            result = await call_next(message)
        except BaseException as error:
            # The message is unfinished, and the next canary may have to be let go.
            self._ended(go, error)
            raise
        if self._breaker.succeeded(go):
            self._wake()
        return result

    def _ended(self, go: Go, error: BaseException) -> None:
        if isinstance(error, self._counts) and not isinstance(error, DecodeError):
            changed = self._breaker.failed(go, asyncio.get_running_loop().time())
        else:
            changed = self._breaker.left(go)
        if changed:
            self._wake()

    async def _admitted(self, message: Message) -> Go:
        loop = asyncio.get_running_loop()
        while isinstance(answer := self._breaker.admit(loop.time()), Wait):
            await self._wait(message, answer.seconds)
        return answer

    async def _wait(self, message: Message, seconds: float | None) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(seconds, _settle, ready) if seconds is not None else None
        self._waiting.append(ready)
        try:
            await hold(message, ready, "circuit breaker")
        finally:
            self._waiting.remove(ready)
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        """Let all ask again. One alone would not do: it may be postponed before it has asked."""
        for ready in self._waiting:
            _settle(ready)

    def __repr__(self) -> str:
        return f"<CircuitBreaker {self.state.value}, {self.waiting} waiting>"


def _settle(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)
