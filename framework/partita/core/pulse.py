"""
Judge from records that are published and fetched again whether messages really pass.

A beat is one such record. Producing may work while fetching does not, and the other way round; the broker
may answer every question all the while. Pure: the caller passes the time in, in seconds.
"""

import math

import attrs

from partita.core.errors import SettingsError
from partita.core.health import Part
from partita.core.retries import is_number

SHORTEST = 0.1
# Of what does not come back the oldest matters; the rest is only remembered for the latency of a late one.
MOST_PENDING = 100


def check_interval(interval: object) -> float:
    """
    A number of seconds between two beats.

    Raises:
        SettingsError: it is none, or less than 0.1.
    """
    if isinstance(interval, int | float) and is_number(interval) and SHORTEST <= interval < math.inf:
        return float(interval)
    raise SettingsError(f"interval={interval!r}: give a number of seconds, {SHORTEST:g} or more")


@attrs.define(eq=False)
class Pulse:
    """
    What has become of the beats so far.

    Args:
        interval: seconds between two beats.
        began: when it was started.

    Attributes:
        sent: beats so far.
        returned: the number of the last one that was fetched again; 0: none was.
        back: how many were fetched again.
        latency: seconds from its publishing to its being fetched; None: none was.
    """

    interval: float
    began: float
    sent: int = attrs.field(default=0, init=False)
    returned: int = attrs.field(default=0, init=False)
    back: int = attrs.field(default=0, init=False)
    latency: float | None = attrs.field(default=None, init=False)
    _pending: dict[int, float] = attrs.field(factory=dict, init=False)
    _acknowledged: int = attrs.field(default=0, init=False)
    _sent_at: float | None = attrs.field(default=None, init=False)
    _refusal: tuple[str, float] | None = attrs.field(default=None, init=False)

    def send(self, now: float) -> int:
        """The next beat is about to be published; returns its number."""
        self.sent += 1
        self._sent_at = now
        if len(self._pending) < MOST_PENDING:
            self._pending[self.sent] = now
        return self.sent

    def acknowledge(self, number: int) -> None:
        """The broker has acknowledged a beat."""
        self._acknowledged, self._refusal = number, None

    def refuse(self, number: int, reason: str, now: float) -> None:
        """A beat could not be published."""
        self._pending.pop(number, None)
        since = self._refusal[1] if self._refusal is not None else now
        self._refusal = reason, since

    def take(self, number: int, now: float) -> None:
        """A beat was fetched. Those before it do not matter any more."""
        sent_at = self._pending.get(number)
        if sent_at is not None:
            self.latency = now - sent_at
        self.back += 1
        self.returned = max(self.returned, number)
        self._pending = {each: at for each, at in self._pending.items() if each > number}

    def judge(self, now: float) -> Part:
        """
        Whether beats pass.

        One that is not back after an interval is red, so at most two intervals after fetching stopped. The
        first one may take two: its reader joins meanwhile.
        """
        if self._refusal is not None:
            reason, since = self._refusal
            return _red(f"a beat could not be published: {reason}", now - since)
        if self._pending:
            number, sent_at = next(iter(self._pending.items()))
            late = now - sent_at
            if late > (self.interval if self.returned else self.interval * 2):
                known = number <= self._acknowledged
                told = "was acknowledged but not fetched" if known else "was neither acknowledged nor fetched"
                return _red(f"a beat {told} within {late:.1f} s", late)
        silent = now - (self.began if self._sent_at is None else self._sent_at)
        if silent > self.interval * 2:
            return _red(f"no beat was published for {silent:.1f} s", silent)
        if self.latency is None:
            return Part(healthy=True, reason="no beat is back yet")
        return Part(healthy=True, reason=f"a beat was back after {self.latency * 1000:.0f} ms")


def _red(reason: str, since: float) -> Part:
    return Part(healthy=False, reason=reason, since=since)
