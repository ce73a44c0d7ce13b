"""
Judge how far a group is behind: against limits, with a gap between going behind and having caught up,
and whether more workers would help.

Lag is counted in messages that are not handled, age in seconds that the oldest of them has waited. The
facts come from a broker (`core.extents`) and are put together over time in `core.backlog_history`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import attrs

from partita.core.errors import SettingsError
from partita.core.retries import is_number

Scale = Literal["yes", "no (hot key)", "no (blocked)", "no (fewer partitions than workers)"]

# With fewer messages than this, how they are spread says nothing.
ENOUGH = 100
# Of all that waits, what one partition must have for the others not to matter.
MOST = 0.8


@attrs.frozen
class BacklogLimits:
    """
    From when on a group is behind. It has caught up when it is at half of each limit or below.

    Args:
        max_lag: messages that may wait to be handled; None, the default: any number.
        max_age: seconds that the oldest of them may have waited; None: any time. Default 30.

    Raises:
        SettingsError: max_lag is not a whole number of 0 or more, or max_age not a number of 0 or more.
    """

    max_lag: int | None = None
    max_age: float | None = 30.0

    def __attrs_post_init__(self) -> None:
        if problem := limits_problem(self.max_lag, self.max_age):
            raise SettingsError(problem)

    def exceeded(self, lag: int, age: float) -> bool:
        """Whether *lag* messages, the oldest *age* seconds old, are too much."""
        too_many = self.max_lag is not None and lag > self.max_lag
        return too_many or (self.max_age is not None and lag > 0 and age > self.max_age)

    def cleared(self, lag: int, age: float) -> bool:
        """Whether a group that was behind has caught up."""
        few = self.max_lag is None or lag * 2 <= self.max_lag
        return few and (self.max_age is None or not lag or age * 2 <= self.max_age)


def limits_problem(max_lag: object, max_age: object) -> str | None:
    """What cannot be used, in words; None when both can."""
    whole = isinstance(max_lag, int) and not isinstance(max_lag, bool) and max_lag >= 0
    if max_lag is not None and not whole:
        return f"max_lag={max_lag!r}: give a whole number of messages, 0 or more"
    if max_age is not None and not (isinstance(max_age, int | float) and is_seconds(max_age)):
        return f"max_age={max_age!r}: give a number of seconds, 0 or more"
    return None


def is_seconds(value: float) -> bool:
    """Whether it is a number of seconds, 0 or more."""
    return is_number(value) and 0 <= value < math.inf


@attrs.define(eq=False)
class BacklogWatch:
    """
    Whether something is behind, without flapping at the limit.

    Args:
        limits: what is too much.

    Attributes:
        behind: whether it is.
    """

    limits: BacklogLimits
    behind: bool = attrs.field(default=False, init=False)

    def look(self, lag: int, age: float) -> bool:
        """Take in how it stands now; returns whether that has changed `behind`."""
        changed = self.limits.cleared(lag, age) if self.behind else self.limits.exceeded(lag, age)
        self.behind ^= changed
        return changed


@attrs.frozen
class PartitionBacklog:
    """
    What waits in one partition.

    Args:
        topic: its topic.
        partition: its number.
        committed: the offset to read next that the group has stored; None: it has stored none.
        end: the offset after the last message.
        lag: messages that are not handled.
        age: seconds that the oldest of them has waited; 0.0 when there is none.
        state: what is known of its doing: one of the named states where this process owns it, else
            "caught up", "flowing", "not moving", "nobody reads it" or, at a first look, "waiting".
        rate_in: messages a second that arrive; None: not known before a second look.
        rate_out: messages a second that are handled; None: likewise.
        blocked: whether nothing of it is handled although somebody has it: for 10 seconds, or until a retry
            or a parked message comes to its end.
        hot_key: whether more than half of what its owner, this process, has in hand waits for one key.
    """

    topic: str
    partition: int
    committed: int | None
    end: int
    lag: int
    age: float = 0.0
    state: str = "caught up"
    rate_in: float | None = None
    rate_out: float | None = None
    blocked: bool = False
    hot_key: bool = False


@attrs.frozen
class Backlog:
    """
    What waits for one group.

    Args:
        group: the consumer group.
        behind: whether it is too much.
        partitions: each partition, by topic and number.
        members: how many members the group has; None: the broker does not say.
    """

    group: str
    behind: bool
    partitions: Sequence[PartitionBacklog]
    members: int | None = None

    @property
    def lag(self) -> int:
        """Messages that are not handled, in all partitions."""
        return sum(each.lag for each in self.partitions)

    @property
    def age(self) -> float:
        """Seconds that the oldest of them has waited; 0.0 when there is none."""
        return max((each.age for each in self.partitions), default=0.0)

    @property
    def rate_in(self) -> float | None:
        """Messages a second that arrive; None: not known before a second look."""
        return _sum([each.rate_in for each in self.partitions])

    @property
    def rate_out(self) -> float | None:
        """Messages a second that are handled; None: not known before a second look."""
        return _sum([each.rate_out for each in self.partitions])

    @property
    def time_to_drain(self) -> float | None:
        """Seconds until nothing waits if it goes on like this; None: never, or not known."""
        if not self.lag:
            return 0.0
        if self.rate_in is None or self.rate_out is None or self.rate_out <= self.rate_in:
            return None
        return self.lag / (self.rate_out - self.rate_in)

    @property
    def scale_helps(self) -> Scale:
        """
        Whether more workers would handle the backlog faster: "yes" unless a reason against it is known.

        "no (blocked)": more than half of it waits in partitions of which nothing is handled. "no (hot key)":
        four fifths of 100 messages or more wait in one of several partitions, or more than half in
        partitions where most of what is in hand waits for one key. "no (fewer partitions than
        workers)": one more worker would have nothing to read.
        """
        lag = self.lag
        if not lag:
            return "yes"
        if self._share(lambda each: each.blocked) > 0.5:
            return "no (blocked)"
        uneven = lag >= ENOUGH and len(self.partitions) > 1 and self._largest >= MOST * lag
        if uneven or self._share(lambda each: each.hot_key) > 0.5:
            return "no (hot key)"
        if self.members is not None and self.members >= len(self.partitions):
            return "no (fewer partitions than workers)"
        return "yes"

    @property
    def _largest(self) -> int:
        return max(each.lag for each in self.partitions)

    def _share(self, which: Callable[[PartitionBacklog], bool]) -> float:
        return sum(each.lag for each in self.partitions if which(each)) / self.lag

    def judged(self, limits: BacklogLimits) -> "Backlog":
        """The same, behind if it is above *limits* now."""
        return attrs.evolve(self, behind=limits.exceeded(self.lag, self.age))

    def only(self, topics: Callable[[str], bool]) -> "Backlog":
        """What of it waits in some topics."""
        return attrs.evolve(self, partitions=[each for each in self.partitions if topics(each.topic)])


@attrs.frozen
class PublisherBacklog:
    """
    What was published and is not acknowledged yet.

    Args:
        bytes: of these messages, about.
        age: seconds that the oldest of them has waited; 0.0 when there is none.
    """

    bytes: int
    age: float


def _sum(rates: Sequence[float | None]) -> float | None:
    known = [each for each in rates if each is not None]
    return sum(known) if known or not rates else None
