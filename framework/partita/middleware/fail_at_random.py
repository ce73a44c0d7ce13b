"""Fail at random: makes calls fail, to test what a handler's retries come to."""

from random import Random
from typing import Literal

from partita.core.errors import SettingsError
from partita.message import Message
from partita.middleware.compose import CallNext


class RandomFailure(Exception):
    """Raised by `FailAtRandom` in place of a handler's own error."""


class FailAtRandom:
    """
    A middleware for tests: some calls fail.

    Args:
        probability: the share of calls that fail, from 0 to 1.
        seed: the same seed fails the same calls of a sequence. Default 0.
        when: "before" the handler, which then is not called, or "after" it has succeeded, as when a
            process dies before its commit. Default "before".

    Raises:
        SettingsError: a value is outside its range.
    """

    def __init__(
        self, probability: float, *, seed: int = 0, when: Literal["before", "after"] = "before"
    ) -> None:
        if not 0 <= probability <= 1:
            raise SettingsError(f"FailAtRandom({probability!r}): give a fraction from 0 to 1")
        if when not in ("before", "after"):
            raise SettingsError(f"FailAtRandom(when={when!r}): give 'before' or 'after'")
        self._probability, self._when = probability, when
        self._chance = Random(seed)

    async def __call__(self, message: Message, call_next: CallNext) -> object:
        """
        Handle *message*, or fail.

        Raises:
            RandomFailure: chance had it so.
            BaseException: the handler's own error, untouched.
        """
        fails = self._chance.random() < self._probability
        if fails and self._when == "before":
            raise RandomFailure(f"{message!r} was made to fail")
        result = await call_next(message)
        if fails:
            raise RandomFailure(f"{message!r} was made to fail after its handler")
        return result

    def __repr__(self) -> str:
        return f"<FailAtRandom {self._probability:g} {self._when}>"
