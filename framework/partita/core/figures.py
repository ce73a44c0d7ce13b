"""
The counters: plain integers, moved on by their owners once for a slice, a batch or a failure.

Pure: durations are measured by the caller. Names and labels are given when somebody asks for the numbers.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping

import attrs

from partita.core.metrics import Sample, Series

# Upper ends of the classes that durations are sorted into, in seconds; a last class takes what is above.
BOUNDS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0)
MANY = 1_000
# Topics that cannot be published to may have any name; beyond so many they share a label.
MOST_TOPICS = 1_000
OTHER_TOPICS = "(others)"
Labels = Mapping[str, object]


class Durations:
    """
    How long something took, each time.

    Attributes:
        recent: durations in seconds that are not sorted in yet; whoever appends sees to `settle`.
    """

    __slots__ = ("_classes", "_seconds", "recent")

    def __init__(self) -> None:
        self.recent: list[float] = []
        self._classes = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0

    def add(self, seconds: float, times: int) -> None:
        """It happened *times* times, and took *seconds* in all."""
        if times:
            self._classes[bisect_left(BOUNDS, seconds / times)] += times
            self._seconds += seconds

    def settle(self) -> None:
        """Sort in what is recent."""
        if not self.recent:
            return
        recent, self.recent = sorted(self.recent), []
        self._seconds += sum(recent)
        below = 0
        for index, bound in enumerate(BOUNDS):
            reached = bisect_right(recent, bound, below)
            self._classes[index] += reached - below
            below = reached
        self._classes[-1] += len(recent) - below

    def relieve(self) -> None:
        """Sort in what is recent when it is much."""
        if len(self.recent) >= MANY:
            self.settle()

    def take(self, other: "Durations") -> None:
        """Add those of another."""
        other.settle()
        self._classes = [ours + theirs for ours, theirs in zip(self._classes, other._classes, strict=True)]
        self._seconds += other._seconds

    def samples(self, name: str, labels: Labels) -> Iterator[Sample]:
        """A histogram: for each class how many took no longer, their seconds in all, and their number."""
        self.settle()
        reached = 0
        for bound, count in zip((*BOUNDS, "+Inf"), self._classes, strict=True):
            reached += count
            yield Series(f"{name}_bucket", {**labels, "le": bound}), reached
        yield Series(f"{name}_sum", labels), self._seconds
        yield Series(f"{name}_count", labels), reached


@attrs.define(eq=False)
class Figures:
    """
    What an owned partition has come to.

    Attributes:
        received_bytes: of keys and values that arrived.
        consumed: messages that were read for a handler.
        handled: messages whose handler finished.
        dead_letters: messages given up and published elsewhere.
        dropped: messages given up.
        failures: attempts that failed.
        retries: times that a failed message was put aside for another attempt.
        calls: seconds of each call of a handler.
    """

    received_bytes: int = 0
    consumed: int = 0
    handled: int = 0
    failed: int = 0
    dead_letters: int = 0
    dropped: int = 0
    failures: int = 0
    retries: int = 0
    calls: Durations = attrs.field(factory=Durations)

    def take(self, other: "Figures") -> None:
        """Add those of another."""
        for name in _COUNTERS.values():
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.calls.take(other.calls)

    def samples(self, labels: Labels) -> Iterator[Sample]:
        """Every number, under its name."""
        for name, attribute in _COUNTERS.items():
            yield Series(name, labels), getattr(self, attribute)
        yield from self.calls.samples("partita_handler_seconds", labels)


_COUNTERS = {
    "partita_received_bytes_total": "received_bytes",
    "partita_consumed_messages_total": "consumed",
    "partita_handled_messages_total": "handled",
    "partita_failed_messages_total": "failed",
    "partita_dead_letters_total": "dead_letters",
    "partita_dropped_messages_total": "dropped",
    "partita_handler_failures_total": "failures",
    "partita_retries_total": "retries",
}


@attrs.define(eq=False)
class Sent:
    """
    What was published to a partition and acknowledged.

    Attributes:
        messages: how many.
        size_bytes: of their keys and values.
        waits: seconds until each acknowledgement.
    """

    messages: int = 0
    size_bytes: int = 0
    waits: Durations = attrs.field(factory=Durations)

    def count(self, messages: int, size_bytes: int) -> None:
        """So many messages were acknowledged together."""
        self.messages += messages
        self.size_bytes += size_bytes


@attrs.define(eq=False)
class Published:
    """What one publisher has come to."""

    _sent: dict[tuple[str, int], Sent] = attrs.field(factory=dict, init=False)
    _failed: dict[str, int] = attrs.field(factory=dict, init=False)

    def to(self, topic: str, partition: int) -> Sent:
        """The figures of one partition."""
        found = self._sent.get((topic, partition))
        if found is None:
            found = self._sent[topic, partition] = Sent()
        return found

    def fail(self, topic: str) -> None:
        """A message was not acknowledged, or was refused before it was sent."""
        if topic not in self._failed and len(self._failed) >= MOST_TOPICS:
            topic = OTHER_TOPICS
        self._failed[topic] = self._failed.get(topic, 0) + 1

    def samples(self) -> Iterator[Sample]:
        """Every number, under its name."""
        for (topic, partition), sent in self._sent.items():
            labels = {"topic": topic, "partition": partition}
            yield Series("partita_published_messages_total", labels), sent.messages
            yield Series("partita_published_bytes_total", labels), sent.size_bytes
            yield from sent.waits.samples("partita_publish_seconds", labels)
        for topic, count in self._failed.items():
            yield Series("partita_publish_failures_total", {"topic": topic}), count
