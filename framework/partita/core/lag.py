"""
Decide when an event loop counts as blocked, from when it was asked to answer and when it did.

Times are seconds on one clock, which the caller reads. A question is asked at intervals, and only when
the one before is answered; the loop may have been blocked for up to an interval before it.
"""

import math

import attrs

from partita.core.errors import SettingsError


@attrs.frozen
class Blocked:
    """The loop has not answered for *seconds*."""

    seconds: float


@attrs.frozen
class Recovered:
    """The loop, told as blocked before, answers again; it was blocked for at least *seconds*."""

    seconds: float


@attrs.define(eq=False)
class LagWatch:
    """
    What is known about one loop.

    Args:
        threshold: seconds without an answer that are still in order.
        interval: seconds between two questions.

    Raises:
        SettingsError: a number is not above 0.
    """

    threshold: float
    interval: float
    asked: float | None = attrs.field(default=None, init=False)
    told: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        for name in ("threshold", "interval"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise SettingsError(f"a watchdog's {name} of {value!r}: give seconds above 0")

    def ask(self, now: float) -> None:
        """The loop is asked now."""
        self.asked = now

    def look(self, now: float, answered: float | None) -> Blocked | Recovered | None:
        """
        What there is to tell. `Blocked` comes at every look until it is told.

        Args:
            now: the time.
            answered: when the loop answered the open question; None: not yet.
        """
        if self.asked is None:
            return None
        if answered is None:
            waited = now - self.asked
            return Blocked(waited) if waited > self.threshold and not self.told else None
        told, waited = self.told, answered - self.asked
        self.asked, self.told = None, False
        return Recovered(waited) if told else None

    def tell(self) -> None:
        """`Blocked` was told: once is enough, and its end is to be told too."""
        self.told = True
