"""
A rate in messages per second as one counter: each message takes one from it, time puts them back.

It holds at most one second's worth, and at least one, so that a route which was idle may catch up for a
second and no longer. No clock is read here; the caller says how much time went by.
"""

import math

import attrs

from partita.core.errors import SettingsError


def rate_problem(rate: object) -> str | None:
    """What is wrong with a rate, in words; None when it can be used."""
    number = isinstance(rate, int | float) and not isinstance(rate, bool)
    if number and 0 < float(rate) < math.inf:  # type: ignore[arg-type]
        return None
    return f"rate={rate!r}: give messages per second, a number above 0"


@attrs.define(eq=False)
class RateCounter:
    """
    What may still be taken.

    Args:
        rate: messages per second.

    Raises:
        SettingsError: the rate is not a number above 0.
    """

    rate: float
    left: float = attrs.field(init=False)
    most: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        if problem := rate_problem(self.rate):
            raise SettingsError(problem)
        self.left = self.most = max(float(self.rate), 1.0)

    def take(self) -> bool:
        """Take one for a message; False when there is none."""
        if self.left < 1.0:
            return False
        self.left -= 1.0
        return True

    def put_back(self) -> None:
        """One that was taken was not used."""
        self.left = min(self.left + 1.0, self.most)

    def refill(self, seconds: float) -> None:
        """*seconds* have gone by."""
        self.left = min(self.left + seconds * self.rate, self.most)

    @property
    def full(self) -> bool:
        """Whether time adds nothing more."""
        return self.left >= self.most

    @property
    def next_in(self) -> float:
        """Seconds until there is one to take; 0.0 when there is."""
        return max(0.0, (1.0 - self.left) / self.rate)
