"""What became of one partition in a simulation."""

from collections import defaultdict
from collections.abc import Hashable, Iterator
from itertools import pairwise

import attrs

from partita.core.finished import Finished
from partita.core.offset_map import OffsetMap
from partita.testing.events import Event

# Of the messages of batches: those of one batch are begun together, and their order is not judged.
BATCH = "batch"


@attrs.frozen
class Covered:
    """
    What a commit says is finished.

    Args:
        offset: all below it.
        above: and these.
    """

    offset: int = 0
    above: Finished = attrs.field(factory=Finished)

    def __contains__(self, offset: int) -> bool:
        return offset < self.offset or offset in self.above

    def covers(self, other: "Covered") -> bool:
        """Whether all that *other* says is said here."""
        above = (each for start, stop in other.above.runs() for each in range(start, stop))
        return other.offset <= self.offset and all(each in self for each in above)


@attrs.define(eq=False)
class Epoch:
    """
    One assignment of the partition to a process.

    Args:
        process: its name.
        covered: what was committed when it began.
        broken: the broker has given the partition to others, or calls outlasted the drain.
    """

    process: str
    covered: Covered
    broken: bool = False
    ending: float | None = attrs.field(default=None, init=False)
    done: dict[int, float] = attrs.field(factory=dict, init=False)

    def uncovered(self, stored: Covered) -> list[int]:
        """What was done in it and is not in *stored*."""
        return [offset for offset in sorted(self.done) if offset not in stored]


@attrs.frozen(eq=False)
class Calling:
    """A handler's call that has begun and has not ended."""

    process: str
    offset: int
    attempt: int
    lane: Hashable
    epoch: Epoch


@attrs.define(eq=False)
class History:
    """
    One partition.

    Attributes:
        published: how many messages it holds.
        over: the finished ones, each with the number of the event that finished it.
        parked: those whose attempts are used up.
        unroutable: those that no handler is for.
        calls: what is being called.
        epochs: by the process that holds it; more than one while a process does not know that it is out.
        stored: what is committed.
        owner: the process that was given the partition last.
        fence: the last assignment's number, and whose it is.
    """

    published: int = 0
    over: dict[int, int] = attrs.field(factory=dict)
    parked: set[int] = attrs.field(factory=set)
    unroutable: set[int] = attrs.field(factory=set)
    calls: list[Calling] = attrs.field(factory=list)
    epochs: dict[str, Epoch] = attrs.field(factory=dict)
    stored: Covered = attrs.field(factory=Covered)
    owner: str = ""
    fence: tuple[int, str] = 0, ""
    _begun: dict[int, tuple[int, Hashable]] = attrs.field(factory=dict)
    _floor: int = 0

    def begin(self, event: Event, epoch: Epoch, number: int) -> None:
        """A call begins, with event *number*."""
        self._begun.setdefault(event.offset, (number, event.lane))
        self.calls.append(Calling(event.process, event.offset, event.attempt, event.lane, epoch))

    def end(self, process: str) -> Epoch | None:
        """The process gives the partition up, or has lost it."""
        return self.epochs.pop(process, None)

    @staticmethod
    def commit_of(event: Event) -> Covered:
        """What a commit says."""
        return Covered(event.offset, OffsetMap.decode(event.offset, event.text).finished)

    def is_over(self, commit: Covered) -> bool:
        """Whether all that *commit* says is finished is so."""
        while self._floor in self.over:
            self._floor += 1
        above = (each for start, stop in commit.above.runs() for each in range(start, stop))
        return commit.offset <= self._floor and all(each in self.over for each in above)

    @property
    def left(self) -> set[int]:
        """Messages that stay unfinished, whatever time passes."""
        return (self.parked | self.unroutable) - self.over.keys()

    def unsettled(self) -> Iterator[int]:
        """Messages that will yet be finished and committed, if nothing more goes wrong."""
        left = self.left
        blocked = {self._begun[each][1] for each in left if each in self._begun} - {None}
        for offset in range(self._floor, self.published):
            if offset in self.over or offset in left:
                continue
            # What was never begun is in a lane that is not known; it may be one that is blocked.
            begun = self._begun.get(offset)
            if begun[1] not in blocked if begun else not (blocked or left & self.unroutable):
                yield offset
        if not left:
            yield from range(max(self._floor, self.stored.offset), self.published)

    def out_of_order(self) -> Iterator[str]:
        """Messages that were started before an earlier one of their lane was finished."""
        lanes: defaultdict[Hashable, list[int]] = defaultdict(list)
        for offset in sorted(self._begun):
            if (lane := self._begun[offset][1]) not in (None, BATCH):
                lanes[lane].append(offset)
        for offsets in lanes.values():
            for before, after in pairwise(offsets):
                if self._begun[after][0] < self.over.get(before, 0):
                    yield f"{after} was started before {before} of the same lane was finished"
