"""
Which offsets of a partition are finished, as runs: what is known costs by the run, not by the message.

A run may span offsets that hold no message (compacted away, or another partition's on a shared stream):
nobody is ever handed those, so to call them finished changes nothing.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import TypeVar

import attrs

T = TypeVar("T")


@attrs.frozen
class Finished:
    """
    Finished offsets, each in one run from a start up to, but without, its stop.

    Args:
        starts: ascending; at least one offset that is not finished lies between two runs.
        stops: one for each start.
    """

    starts: Sequence[int] = ()
    stops: Sequence[int] = ()

    @classmethod
    def of(cls, offsets: Iterable[int]) -> "Finished":
        """Exactly these, in whatever order they come."""
        return cls.joined((offset, offset + 1) for offset in sorted(offsets))

    @classmethod
    def all_but(cls, first: int, end: int, unfinished: Iterable[int]) -> "Finished":
        """All from *first* up to, but without, *end*, those of *unfinished* left out."""
        bounds = [first - 1, *sorted(each for each in unfinished if first <= each < end), end]
        return cls.joined((one + 1, other) for one, other in pairwise(bounds))

    @classmethod
    def joined(cls, runs: Iterable[tuple[int, int]]) -> "Finished":
        """Runs that come in the order of their starts; they may be empty, touch or overlap."""
        starts: list[int] = []
        stops: list[int] = []
        for start, stop in runs:
            if stop <= start:
                continue
            if stops and start <= stops[-1]:
                stops[-1] = max(stops[-1], stop)
            else:
                starts.append(start)
                stops.append(stop)
        return cls(starts, stops)

    @property
    def end(self) -> int:
        """The first offset above all that are finished; 0 when none is."""
        return self.stops[-1] if self.stops else 0

    def runs(self) -> Iterator[tuple[int, int]]:
        """Start and stop of each run, ascending."""
        return zip(self.starts, self.stops, strict=True)

    def above(self, offset: int) -> "Finished":
        """Those that are higher than *offset*."""
        if not self.starts or self.starts[0] > offset:
            return self
        return self.joined((max(start, offset + 1), stop) for start, stop in self.runs())

    def skip(self, records: Iterable[T], offset_of: Callable[[T], int]) -> Iterator[T]:
        """
        The records that are not finished. Lazy; beyond `end` it hands out *records*' own iterator.

        Args:
            records: in offset order.
            offset_of: the offset of one.
        """
        iterator = iter(records)
        return chain(self._unfinished(iterator, offset_of), iterator)

    def _unfinished(self, records: Iterator[T], offset_of: Callable[[T], int]) -> Iterator[T]:
        last = self.end - 1
        for record in records:
            offset = offset_of(record)
            if offset not in self:
                yield record
            if offset >= last:
                return

    def __contains__(self, offset: int) -> bool:
        at = bisect_right(self.starts, offset) - 1
        return at >= 0 and offset < self.stops[at]

    def __or__(self, other: "Finished") -> "Finished":
        """What is finished in one of both."""
        return self.joined(sorted(chain(self.runs(), other.runs())))

    def __bool__(self) -> bool:
        return bool(self.starts)
