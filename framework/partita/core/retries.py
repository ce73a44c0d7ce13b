"""Decide whether a failed message is tried again, and when. Pure: the caller passes the randomness in."""

import attrs

from partita.core.errors import DecodeError, SettingsError, Unroutable

LONGEST_WAIT = 30.0
PARKED_WAIT = 60.0


def is_number(value: object) -> bool:
    """Whether *value* is a whole or a broken number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


@attrs.frozen
class Retry:
    """
    How often a message is tried, and how long to wait between.

    The waits are *backoff*, twice that, four times that and so on, up to 30 s, each longer or shorter
    by a random share of at most *jitter*.

    Args:
        attempts: attempts in all, the first included; `Retry(attempts=1)` means none after the first.
        backoff: seconds before the second attempt.
        jitter: a fraction from 0 to 1.
        retry_on: only these classes of errors are tried again; default: all.
        give_up_on: these are not, whatever *retry_on* says; default: none.

    A group of errors is judged by what is in it: it is tried again only if each of its errors is.

    Raises:
        SettingsError: a value is outside its range.
    """

    attempts: int = 5
    backoff: float = 0.2
    jitter: float = 0.2
    retry_on: tuple[type[BaseException], ...] = (BaseException,)
    give_up_on: tuple[type[BaseException], ...] = ()

    def __attrs_post_init__(self) -> None:
        if not (isinstance(self.attempts, int) and is_number(self.attempts) and self.attempts >= 1):
            raise SettingsError(f"Retry(attempts={self.attempts!r}): give a whole number of 1 or more")
        if not (is_number(self.backoff) and 0 <= self.backoff <= LONGEST_WAIT):
            raise SettingsError(f"Retry(backoff={self.backoff!r}): give 0 to {LONGEST_WAIT:g} s")
        if not (is_number(self.jitter) and 0 <= self.jitter <= 1):
            raise SettingsError(f"Retry(jitter={self.jitter!r}): give a fraction from 0 to 1")

        for name in ("retry_on", "give_up_on"):
            classes = getattr(self, name)
            fits = isinstance(classes, tuple) and all(isinstance(each, type) for each in classes)
            if not (fits and all(issubclass(each, BaseException) for each in classes)):
                raise SettingsError(f"Retry({name}={classes!r}): give a tuple of error classes")

    @property
    def longest(self) -> float:
        """Seconds from the first failure to the last attempt, without jitter and what attempts take."""
        waits = self.attempts - 1
        # From here on each wait is the longest: they are too many to be added up one by one.
        doubling = min(waits, 31)
        plain = sum(min(self.backoff * 2.0**each, LONGEST_WAIT) for each in range(doubling))
        return plain + (waits - doubling) * min(self.backoff * 2.0**30, LONGEST_WAIT)

    def covers(self, error: BaseException) -> bool:
        """Whether *error* is worth another attempt."""
        if isinstance(error, BaseExceptionGroup):
            return all(self.covers(each) for each in error.exceptions)
        return isinstance(error, self.retry_on) and not isinstance(error, self.give_up_on)

    def wait(self, attempt: int, chance: float) -> float | None:
        """
        Seconds to wait after failed *attempt* (from 1), or None when it was the last.

        Args:
            attempt: which attempt failed.
            chance: a random number from 0 to 1; 0.5 gives the wait without jitter.
        """
        if attempt >= self.attempts:
            return None
        # An exponent above 30 is past the longest wait whatever the backoff, and 2.0**5000 overflows.
        plain = min(self.backoff * 2.0 ** min(attempt - 1, 30), LONGEST_WAIT)
        return plain * (1 + self.jitter * (2 * chance - 1))


@attrs.frozen
class TryAgain:
    """The message gets another attempt after *wait* seconds."""

    wait: float


@attrs.frozen
class Exhausted:
    """No attempt is left: what the route says is done, and unless it says otherwise the message is parked."""


def after_failure(retry: Retry, attempt: int, error: BaseException, chance: float) -> TryAgain | Exhausted:
    """
    What becomes of a message whose handler raised *error* on *attempt* (from 1).

    A message that cannot be decoded or routed stays as it is however often it is read, so no attempt
    is spent on it.
    """
    if isinstance(error, DecodeError | Unroutable) or not retry.covers(error):
        return Exhausted()
    wait = retry.wait(attempt, chance)
    return Exhausted() if wait is None else TryAgain(wait)
