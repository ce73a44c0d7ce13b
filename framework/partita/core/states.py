"""
Name what each owned partition is doing: exactly one state at any moment, and since when.

Pure: an actor looks at what a partition has in hand, about once a second, and passes it in. Nothing is
recorded for a message: what is still there at the next look, and was there at the last one, took that long.
"""

from collections.abc import Mapping
from enum import Enum

import attrs

from partita.core.health import Parked
from partita.core.ports import TopicPartition

# A call that lasts as long is told, with its handler.
SLOW_SECONDS = 5.0
# Without a finished message for as long, a partition does not count as moving.
STILL_SECONDS = 2.0
# The broker is asked more often than that.
UNTOLD_SECONDS = 15.0


class StateName(Enum):
    """What a partition is doing."""

    CAUGHT_UP = "caught up"
    """Nothing is in hand, and nothing waits at the broker as far as it has told."""
    FLOWING = "flowing"
    """Messages are being handled, or are on their way."""
    SLOW_HANDLER = "slow handler"
    """A call has lasted for 5 s or more; the detail names handler, offset and seconds."""
    BLOCKED_BY_KEY = "blocked by key"
    """So many messages wait behind one key that no more are started; the detail says how many."""
    RETRY = "retry"
    """A failed message waits for its next attempt and nothing else moves; the detail says how long."""
    PAUSED = "paused"
    """Nothing is started for now; the detail says by whom: a hand, a rate, a breaker, a limit, a drain."""
    PARKED = "parked"
    """The attempts of a message are used up; the detail names it with handler and error."""
    NOT_FETCHING = "not fetching"
    """Messages wait at the broker and none comes; the client is about to be rebuilt."""
    LEASE_LOST = "lease lost"
    """It was taken away, or its client is being rebuilt, and no new assignment has come yet."""
    NOT_HERE = "owned at the broker but not here"
    """The broker says that it is this member's, and this member knows nothing of it."""


UNHEALTHY = frozenset({StateName.PARKED, StateName.NOT_FETCHING, StateName.LEASE_LOST, StateName.NOT_HERE})


@attrs.frozen
class PartitionState:
    """
    What one partition is doing.

    Args:
        group: the consumer group.
        topic: the topic.
        partition: the partition's number.
        name: which state.
        detail: which, why or how long, in words; "" when the name says it all. Never a key or a value.
        since: seconds for which it has been so.
        unread: messages at the broker that have not come yet, when that was last asked; None: not known.
    """

    group: str
    topic: str
    partition: int
    name: StateName
    detail: str = ""
    since: float = 0.0
    unread: int | None = None

    @property
    def healthy(self) -> bool:
        """Whether it is one of the states that a partition may be in for long."""
        return self.name not in UNHEALTHY

    @property
    def described(self) -> str:
        """Its name with the detail."""
        return f"{self.name.value} ({self.detail})" if self.detail else self.name.value

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition} {self.described} for {self.since:.0f} s"


Call = tuple[int, int]


@attrs.frozen
class Facts:
    """
    What a partition has in hand at one moment.

    Args:
        finished: messages that were handled or given up so far, under this lease.
        calls: the handler of each call that is under way, by offset and attempt.
        parked: the first parked message.
        retry_in: seconds until the next attempt of a failed message; None: none waits for one.
        held: what a call waits for before its handler is started; None: none waits.
        limited: whether the limits of the process keep it from starting or reading more.
        by_hand: whether somebody has paused it.
        draining: whether it is being given up.
        full: whether it starts no more before something is finished.
        waiting: messages that wait behind others of their key.
        open: messages that are unfinished.
        busy: whether anything is in hand or unread here.
        begun: whether it may start messages.
        unread: messages at the broker, when last asked; None: not known.
        told_for: seconds since the broker has last said so.
    """

    finished: int = 0
    calls: Mapping[Call, str] = attrs.field(factory=dict)
    parked: Parked | None = None
    retry_in: float | None = None
    held: str | None = None
    limited: bool = False
    by_hand: bool = False
    draining: bool = False
    full: bool = False
    waiting: int = 0
    open: int = 0
    busy: bool = False
    begun: bool = True
    unread: int | None = None
    told_for: float = 0.0


Named = tuple[StateName, str]


@attrs.define(eq=False)
class PartitionWatch:
    """
    What was seen of one partition so far.

    Args:
        at: the partition.
        group: the consumer group.
        began: when its lease began.

    Attributes:
        doubted: the state that what the broker says speaks for, with what it says; None: all is well.
    """

    at: TopicPartition
    group: str
    began: float
    doubted: Named | None = attrs.field(default=None, init=False)
    _finished: int = attrs.field(default=0, init=False)
    _moved_at: float = attrs.field(default=float("-inf"), init=False)
    _calls: Mapping[Call, float] = attrs.field(factory=dict, init=False)
    _name: StateName | None = attrs.field(default=None, init=False)
    _since: float = attrs.field(default=0.0, init=False)

    def look(self, facts: Facts, now: float) -> PartitionState:
        """
        Name its state.

        Args:
            facts: what it has in hand.
            now: seconds on a clock that never goes back.
        """
        if facts.finished != self._finished:
            self._finished, self._moved_at = facts.finished, now
        self._calls = {call: self._calls.get(call, now) for call in facts.calls}
        name, detail = self._named(facts, now)
        if name is not self._name:
            self._since = self.began if self._name is None else now
            self._name = name
        since = now - self._since
        return PartitionState(self.group, self.at.topic, self.at.partition, name, detail, since, facts.unread)

    def _named(self, facts: Facts, now: float) -> Named:
        if facts.draining:
            return StateName.PAUSED, "by a drain"
        if self.doubted is not None:
            return self.doubted
        if facts.parked is not None:
            return StateName.PARKED, str(facts.parked)
        held_up = self._held_up(facts, now)
        if held_up is not None:
            return held_up
        if now - self._moved_at < STILL_SECONDS:
            return StateName.FLOWING, ""
        return _standing(facts)

    def _held_up(self, facts: Facts, now: float) -> Named | None:
        """What holds the partition up although it may move."""
        if facts.by_hand:
            return StateName.PAUSED, "by hand"
        if facts.held is None and self._calls:
            call = min(self._calls, key=self._calls.__getitem__)
            seconds = now - self._calls[call]
            if seconds >= SLOW_SECONDS:
                return StateName.SLOW_HANDLER, f"{facts.calls[call]} at {call[0]} for {seconds:.0f} s"
        if facts.full and facts.waiting * 2 >= facts.open > 0:
            return StateName.BLOCKED_BY_KEY, f"{facts.waiting} of {facts.open} wait behind theirs"
        return None


def _standing(facts: Facts) -> Named:
    """The state of a partition of which nothing was finished just now."""
    if facts.held is not None:
        return StateName.PAUSED, f"by {facts.held}"
    if facts.retry_in is not None and not facts.calls:
        return StateName.RETRY, f"in {facts.retry_in:.1f} s"
    if facts.limited and not facts.calls:
        return StateName.PAUSED, "by the limits of the process"
    if facts.calls or facts.busy or facts.unread or (facts.unread is None and not facts.begun):
        return StateName.FLOWING, ""
    old = facts.told_for >= UNTOLD_SECONDS
    return StateName.CAUGHT_UP, f"when the broker last answered, {facts.told_for:.0f} s ago" if old else ""
