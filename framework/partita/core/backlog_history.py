"""
What several looks at a group's backlog say together: rates, what does not move, and how long a message has
waited.

Clocks differ between machines, jump, and are sometimes not set at all; a timestamp may be anything its
producer chose. What two looks have seen is sure: a message that is above the end which one look found
arrived after it, and one below was there by then. An age from a timestamp is bounded by that. A wall clock
is used for the first look only, or for what arrived between two.

Pure: the caller tells the time. No partition costs more than a bounded number of small records.
"""

import math
from collections import deque
from collections.abc import Mapping

import attrs

from partita.core.backlog import Backlog, PartitionBacklog
from partita.core.extents import Extent, GroupExtents, Held
from partita.core.ports import TopicPartition

# Timestamps before the year 2000 are zero, negative, or seconds that should be milliseconds.
EARLIEST_MS = 946_684_800_000
CAUGHT_UP = "caught up"
STILL_SECONDS = 10.0
RATE_SECONDS = 60.0
APART_SECONDS = 2.0
MOST_LOOKS = 64


@attrs.define
class Seen:
    """An end that was found: first and last time, in seconds."""

    end: int
    first: float
    last: float


@attrs.define(eq=False)
class Arrivals:
    """When the messages of one partition arrived, as far as its ends at several looks tell."""

    _seen: list[Seen] = attrs.field(factory=list, init=False)

    def note(self, now: float, end: int, position: int) -> None:
        """
        A look has found this end.

        Args:
            now: seconds when it was asked for, on a clock that does not jump.
            end: the offset after the last message.
            position: nobody asks for what is below any more.
        """
        if self._seen and end < self._seen[-1].end:
            self._seen = []  # the topic was made anew
        if self._seen and self._seen[-1].end == end:
            self._seen[-1].last = now
        else:
            self._seen.append(Seen(end, now, now))
        while len(self._seen) > 1 and self._seen[1].end <= position:
            del self._seen[0]
        if len(self._seen) > MOST_LOOKS:
            # What is left out makes the bounds wider and not wrong.
            self._seen = [*self._seen[:-1:2], self._seen[-1]]

    def waited(self, now: float, offset: int) -> tuple[float, float]:
        """For how many seconds the message at *offset* has been there: at least and at most."""
        most = min((now - each.last for each in self._seen if each.end <= offset), default=math.inf)
        least = max((now - each.first for each in self._seen if each.end > offset), default=0.0)
        return least, max(least, most)


def age_of(oldest: int | None, wall_ms: int, least: float, most: float) -> float:
    """
    Seconds that a message has waited.

    Args:
        oldest: its timestamp in milliseconds since 1970; None: unknown.
        wall_ms: what the wall clock says.
        least: seconds that it has been there for sure.
        most: seconds after which it came for sure.
    """
    told = (wall_ms - oldest) / 1000 if oldest is not None and oldest >= EARLIEST_MS else 0.0
    return min(max(told, least), most)


@attrs.define(eq=False)
class Flow:
    """Messages that came and went, and their rates over the last minute."""

    came: int = attrs.field(default=0, init=False)
    went: int = attrs.field(default=0, init=False)
    _points: deque[tuple[float, int, int]] = attrs.field(factory=deque, init=False)

    def note(self, now: float, came: int, went: int) -> None:
        """So many more came and went since the last look."""
        self.came, self.went = self.came + came, self.went + went
        points = self._points
        if len(points) > 1 and now - points[-2][0] < APART_SECONDS:
            points.pop()
        points.append((now, self.came, self.went))
        while len(points) > 2 and now - points[1][0] >= RATE_SECONDS:
            points.popleft()

    @property
    def rates(self) -> tuple[float, float] | None:
        """Messages a second in and out; None: too few looks."""
        (began, came, went), (now, came_now, went_now) = self._points[0], self._points[-1]
        seconds = now - began
        return ((came_now - came) / seconds, (went_now - went) / seconds) if seconds > 0 else None


@attrs.define(eq=False)
class PartitionHistory:
    """What the looks at one partition have found."""

    _arrivals: Arrivals = attrs.field(factory=Arrivals, init=False)
    _flow: Flow = attrs.field(factory=Flow, init=False)
    _before: Extent | None = attrs.field(default=None, init=False)
    _moved_at: float = attrs.field(default=0.0, init=False)

    def look(
        self, at: TopicPartition, now: float, wall_ms: int, extent: Extent, held: Held | None
    ) -> PartitionBacklog:
        """Take in what a look has found, and tell what waits."""
        moved = self._note(now, extent)
        least, most = self._arrivals.waited(now, extent.first)
        still = extent.read is not False and now - self._moved_at >= STILL_SECONDS
        rates = self._flow.rates or (None, None)
        return PartitionBacklog(
            at.topic,
            at.partition,
            extent.committed,
            extent.end,
            extent.lag,
            age_of(extent.oldest, wall_ms, least, most) if extent.lag else 0.0,
            _told(extent, held) or _state(extent, moved, still),
            rate_in=rates[0],
            rate_out=rates[1],
            blocked=bool(extent.lag) and (still or (held is not None and held.blocked)),
            hot_key=held is not None and held.hot_key,
        )

    def _note(self, now: float, extent: Extent) -> bool | None:
        """Whether something was handled since the look before; None: this is the first."""
        before, self._before = self._before, extent
        self._arrivals.note(now, extent.end, extent.first)
        if before is None or extent.end < before.end:
            self._flow = Flow()
            self._flow.note(now, 0, 0)
            self._moved_at = now
            return None
        came = max(0, extent.arrived - before.arrived)
        # What the broker has deleted unread is gone, but nobody has handled it.
        expired = max(0, extent.begin - max(before.first, before.begin))
        went = max(0, before.lag + came - extent.lag - expired)
        self._flow.note(now, came, went)
        if went or not extent.lag or not before.lag:
            self._moved_at = now
        return went > 0


def _told(extent: Extent, held: Held | None) -> str:
    """What the owner says, if that is this process and it knows what the broker has."""
    if held is None or (extent.lag and held.state == CAUGHT_UP):
        return ""
    return held.state


def _state(extent: Extent, moved: bool | None, still: bool) -> str:
    if not extent.lag:
        return CAUGHT_UP
    if extent.read is False:
        return "nobody reads it"
    if moved is None:
        return "waiting"
    return "not moving" if still else "flowing"


@attrs.define(eq=False)
class GroupHistory:
    """
    What the looks at one group have found.

    Args:
        group: its name.
    """

    group: str
    _partitions: dict[TopicPartition, PartitionHistory] = attrs.field(factory=dict, init=False)

    def look(
        self, now: float, wall_ms: int, found: GroupExtents, held: Mapping[TopicPartition, Held]
    ) -> Backlog:
        """
        Take in what a broker has answered; returns what waits, not judged.

        Args:
            now: seconds when it was asked, on a clock that does not jump.
            wall_ms: milliseconds since 1970, as this machine has it.
            found: the answer.
            held: what this process knows of its own partitions.
        """
        known = self._partitions
        self._partitions = {at: known.get(at) or PartitionHistory() for at in found.partitions}
        partitions = [
            self._partitions[at].look(at, now, wall_ms, extent, held.get(at))
            for at, extent in sorted(found.partitions.items())
        ]
        return Backlog(self.group, False, partitions, found.members)
