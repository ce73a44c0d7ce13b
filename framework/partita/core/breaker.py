"""
A circuit breaker as a state machine: which calls may go, and what their ends mean.

Closed, every call goes. After too many failures it opens: no call goes for a while. Then, half-open, one
call goes as a canary; its success closes the breaker and its failure opens it again. No clock is read
here: the caller passes the time in, and only for calls that fail or that may have to wait.
"""

from collections import deque
from enum import Enum

import attrs

from partita.core.errors import SettingsError


class BreakerState(Enum):
    """Where a breaker stands."""

    CLOSED = "closed"
    """Every call goes."""
    OPEN = "open"
    """No call goes until the open time is over."""
    HALF_OPEN = "half-open"
    """One call goes, the others wait for its end."""


@attrs.frozen
class BreakerPolicy:
    """
    When a breaker opens, and for how long.

    Args:
        failures: opens after so many failures in a row; None: it does not look at rows.
        ratio: opens when at least this share of the last *window* calls failed; None: no ratio.
        window: calls that the ratio is taken of; with fewer behind it, the ratio opens nothing.
        open_for: seconds from the opening to the canary.

    Raises:
        SettingsError: a value is outside its range, or nothing would ever open it.
    """

    failures: int | None = 5
    ratio: float | None = None
    window: int = 100
    open_for: float = 30.0

    def __attrs_post_init__(self) -> None:
        if self.failures is None and self.ratio is None:
            raise SettingsError("a circuit breaker that nothing opens: give failures or ratio")
        for name in ("failures", "window"):
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not (whole and value >= 1) and not (name == "failures" and value is None):
                raise SettingsError(f"CircuitBreaker({name}={value!r}): give a whole number of 1 or more")
        if self.ratio is not None and not 0 < self.ratio <= 1:
            raise SettingsError(f"CircuitBreaker(ratio={self.ratio!r}): give a fraction above 0, up to 1")
        if not 0 < self.open_for < float("inf"):
            raise SettingsError(f"CircuitBreaker(open_for={self.open_for!r}): give seconds above 0")


@attrs.frozen
class Go:
    """The call may go. Its end is told together with *turn*, so that an end from before a change is known."""

    turn: int


@attrs.frozen
class Wait:
    """The call waits *seconds*, or, for None, until a canary has ended; then it asks again."""

    seconds: float | None


class Breaker:
    """
    The state of one breaker.

    Args:
        policy: when it opens.
    """

    def __init__(self, policy: BreakerPolicy) -> None:
        self.policy = policy
        self.state = BreakerState.CLOSED
        self._go = Go(0)
        self._until = 0.0
        self._canary = False
        self._row = 0
        self._ends: deque[bool] = deque(maxlen=policy.window)

    @property
    def free(self) -> Go | None:
        """What `admit` answers while it is closed, without asking for the time; None when it is not."""
        return self._go if self.state is BreakerState.CLOSED else None

    def admit(self, now: float) -> Go | Wait:
        """
        Whether a call may go.

        Args:
            now: seconds on any clock. A clock that stands before the opening is another one: the whole
                open time is waited on it.
        """
        if self.state is BreakerState.CLOSED:
            return self._go
        if self.state is BreakerState.OPEN:
            left = min(self._until - now, self.policy.open_for)
            if left > 0:
                self._until = now + left
                return Wait(left)
            self._move(BreakerState.HALF_OPEN)
        if self._canary:
            return Wait(None)
        self._canary = True
        return self._go

    def succeeded(self, go: Go) -> bool:
        """A call has succeeded; True when that closed the breaker, so that all that wait may go."""
        if go is not self._go:
            return False
        if self.state is BreakerState.HALF_OPEN:
            self._move(BreakerState.CLOSED)
            return True
        self._row = 0
        if self.policy.ratio is not None:
            self._ends.append(True)
        return False

    def failed(self, go: Go, now: float) -> bool:
        """A call has failed; True when that opened the breaker. *now*: as for `admit`."""
        if go is not self._go:
            return False
        self._row += 1
        self._ends.append(False)
        if self.state is not BreakerState.HALF_OPEN and not self._too_many:
            return False
        self._move(BreakerState.OPEN)
        self._until = now + self.policy.open_for
        return True

    def left(self, go: Go) -> bool:
        """A call ended without a verdict, cancelled perhaps; True when the next one may be the canary."""
        if go is not self._go or not self._canary:
            return False
        self._canary = False
        return True

    @property
    def _too_many(self) -> bool:
        failures, ratio = self.policy.failures, self.policy.ratio
        if failures is not None and self._row >= failures:
            return True
        if ratio is None or len(self._ends) < self.policy.window:
            return False
        return self._ends.count(False) >= ratio * self.policy.window

    def _move(self, state: BreakerState) -> None:
        self.state = state
        self._go = Go(self._go.turn + 1)
        self._canary = False
        self._row = 0
        self._ends.clear()

    def __repr__(self) -> str:
        return f"<Breaker {self.state.value}>"
