"""What the judges of a simulation know together."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import inf

import attrs

from partita.core.ports import TopicPartition
from partita.testing.events import Event
from partita.testing.history import History


@attrs.define(eq=False)
class Case:
    """
    The histories of all partitions, and what was found.

    Args:
        drain_timeout: seconds that calls get when a partition goes away.
        concurrency: of each group's handlers, by group and name.

    Attributes:
        violations: the promises that were broken, each with the event that broke it.
        repeats: calls of messages that had been handled before.
        seen: the number of the event that is judged.
        stopping: since when each process is being stopped.
        calls: how many calls are under way, by process, group and handler.
    """

    drain_timeout: float
    concurrency: Mapping[tuple[str, str], int]
    violations: list[str] = attrs.field(factory=list, init=False)
    repeats: int = attrs.field(default=0, init=False)
    seen: int = attrs.field(default=0, init=False)
    stopping: dict[str, float] = attrs.field(factory=dict, init=False)
    calls: Counter[tuple[str, str, str]] = attrs.field(factory=Counter, init=False)
    _trouble: dict[str, float] = attrs.field(factory=dict, init=False)
    _histories: dict[tuple[str, TopicPartition], History] = attrs.field(factory=dict, init=False)

    def history(self, event: Event) -> History:
        """That of the event's partition in its group."""
        assert event.at is not None  # events about messages and offsets name their partition
        return self._histories.setdefault((event.group, event.at), History())

    def all(self, group: str | None = None) -> Sequence[History]:
        """That of each partition that something happened to, in one group or in all."""
        return [each for (found, _), each in self._histories.items() if group in (None, found)]

    def named(self) -> Iterable[tuple[str, History]]:
        """All of them, each with the partition's name, and the group's before it if there are several."""
        several = len({group for group, _ in self._histories}) > 1
        for (group, at), history in sorted(self._histories.items(), key=lambda each: each[0]):
            yield f"{group}: {at}" if several else str(at), history

    def breaks(self, event: Event, promise: str) -> None:
        """A promise was broken."""
        self.violations.append(f"{promise}: {event}")

    def trouble_begins(self, event: Event) -> None:
        """The process cannot work, or cannot commit, until further notice."""
        self._trouble[event.process] = inf

    def trouble_ends(self, event: Event) -> None:
        """The process could neither work nor commit until now."""
        self._trouble[event.process] = event.time

    def trouble_passes(self, event: Event) -> None:
        """The process could not commit just now."""
        if self._trouble.get(event.process) != inf:
            self._trouble[event.process] = event.time

    def trouble(self, process: str) -> float:
        """Until when the process was in trouble; below 0: it never was."""
        return self._trouble.get(process, -1.0)
