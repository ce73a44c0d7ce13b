"""
Decide what a supervisor does when a child ends: restart, whom with it, when, or give up.

Pure: the caller passes time and randomness in. Words and meaning are Erlang/OTP's (strategy, restarts
within a period, escalation, stop in reverse order), with a back-off that OTP does not have: a restart
that waits for its back-off counts within the period like any other.
"""

from collections import deque
from collections.abc import Sequence
from enum import Enum
from typing import Protocol

import attrs

from partita.core.errors import RestartLimitReached


class FailureKind(Enum):
    """What a failure says about trying again."""

    CRASH = "crash"
    """Something of ours broke: restart, within the limit."""
    TRANSPORT = "transport"
    """The outside world is away: restart patiently, for as long as it lasts."""
    REFUSED = "refused"
    """The broker refuses what it permitted before: as above, for it may permit it again."""
    PROTOCOL = "protocol"
    """Trying again cannot help: the supervisor fails with this very error."""


class Opinion(Protocol):
    """What a backend thinks of a client's error."""

    def is_retriable(self, error: BaseException) -> bool:
        """Whether it passes by itself."""
        ...

    def is_unreachable(self, error: BaseException) -> bool:
        """Whether no connection could be made."""
        ...


def judge_outside(backend: Opinion, error: BaseException) -> FailureKind:
    """What an error says that is none of ours: the world is away, in the client's opinion, or we broke."""
    passes = isinstance(error, TimeoutError) or backend.is_retriable(error)
    return FailureKind.TRANSPORT if passes or backend.is_unreachable(error) else FailureKind.CRASH


class Strategy(Enum):
    """Who restarts with a failed child."""

    ONE_FOR_ONE = "one_for_one"
    """The failed child alone."""
    REST_FOR_ONE = "rest_for_one"
    """The failed child and those started after it, which build on it."""


@attrs.frozen
class RestartPolicy:
    """
    How often children may fail before their supervisor fails in turn.

    Args:
        max_restarts: crashes within *period* that are still forgiven.
        period: seconds.
        backoff: seconds before the first restart; doubles with each failure within the period.
        backoff_max: seconds; no wait is longer, jitter aside.
        outage_max: seconds; no wait for the outside world is longer, so that its return is used soon.
        jitter: a fraction by which a wait is longer or shorter, at random.
    """

    max_restarts: int = 5
    period: float = 60.0
    backoff: float = 0.5
    backoff_max: float = 30.0
    outage_max: float = 5.0
    jitter: float = 0.2


@attrs.frozen
class Restart:
    """Stop *stop* in this order, wait *delay* seconds, then start *start* in this order."""

    stop: tuple[str, ...]
    start: tuple[str, ...]
    delay: float


@attrs.frozen
class Escalate:
    """The supervisor is to fail, with *limit* caused by the child's error, or else with that error itself."""

    limit: RestartLimitReached | None = None


@attrs.define
class FailureHistory:
    """The failures of one child that still count: crashes within the period, outages in a row."""

    crashes: deque[float] = attrs.field(factory=deque)
    outages: int = 0
    last: float = float("-inf")


@attrs.define
class Supervision:
    """
    The children of one supervisor in start order, and what their failures add up to.

    Args:
        strategy: who restarts with a failed child.
        policy: how many failures are too many.
    """

    strategy: Strategy = Strategy.ONE_FOR_ONE
    policy: RestartPolicy = RestartPolicy()
    _children: dict[str, FailureHistory] = attrs.field(factory=dict, init=False)

    @property
    def children(self) -> Sequence[str]:
        """Names in start order."""
        return tuple(self._children)

    @property
    def stop_order(self) -> Sequence[str]:
        """Names in the order to stop them: the last started first."""
        return tuple(reversed(self._children))

    def add(self, name: str) -> None:
        """A child was started, after all others."""
        if name in self._children:
            raise ValueError(f"there is a child named {name!r} already")
        self._children[name] = FailureHistory()

    def remove(self, name: str) -> None:
        """A child ended for good; its failures are forgotten."""
        self._children.pop(name, None)

    def failed(self, name: str, now: float, chance: float, kind: FailureKind) -> Restart | Escalate:
        """
        What to do about a failure of *name*.

        Args:
            name: the child.
            now: seconds on a clock that never goes back.
            chance: a random number from 0 to 1, for the jitter.
            kind: only crashes count against the limit.
        """
        if kind is FailureKind.PROTOCOL:
            return Escalate()
        history = self._children[name]
        crashes = self._record(history, now, kind)
        if crashes > self.policy.max_restarts:
            return Escalate(RestartLimitReached(name, crashes, self.policy.period))
        again = self._with(name)
        most = self.policy.backoff_max if kind is FailureKind.CRASH else self.policy.outage_max
        delay = self._delay(crashes + history.outages, most, chance)
        return Restart(stop=tuple(reversed(again[1:])), start=again, delay=delay)

    def _record(self, history: FailureHistory, now: float, kind: FailureKind) -> int:
        """Note the failure; returns the crashes that still count."""
        if now - history.last > self.policy.period:
            history.outages = 0
        history.last = now
        while history.crashes and history.crashes[0] <= now - self.policy.period:
            history.crashes.popleft()
        if kind is FailureKind.CRASH:
            history.crashes.append(now)
        else:
            history.outages += 1
        return len(history.crashes)

    def _with(self, name: str) -> tuple[str, ...]:
        if self.strategy is Strategy.ONE_FOR_ONE:
            return (name,)
        names = tuple(self._children)
        return names[names.index(name) :]

    def _delay(self, failures: int, most: float, chance: float) -> float:
        policy = self.policy
        # Past 30 doublings any back-off is at its maximum, and the power would overflow in the end.
        plain = min(policy.backoff * 2.0 ** min(failures - 1, 30), most)
        return plain * (1 + policy.jitter * (2 * chance - 1))
