"""What has arrived for a partition and is not read yet: fetches, read one after the other, lazily."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, compress, islice, repeat
from operator import length_hint
from typing import NoReturn

from partita.core.finished import Finished
from partita.core.ports import Fetch

MANY = 1 << 60


class Counted:
    """
    Counts what is read of a source that cannot tell what is left, without a frame per message.

    Attributes:
        over: whether the source was read to its end.
        records: what to read instead of the source.
    """

    def __init__(self, source: Iterable[object]) -> None:
        self.over = False
        self._counter = repeat(True, MANY)
        counted = compress(source, self._counter)
        self.records: Iterator[object] = chain(counted, iter(self._ended, None))

    def _ended(self) -> None:
        self.over = True

    def __length_hint__(self) -> int:
        return length_hint(self._counter)


class Unread:
    """
    The fetches of one partition.

    Args:
        offset_of: reads a record's offset.

    Attributes:
        fetch: the one that is being read; None between two.
        finished: what former owners have dealt with, which is left out.
    """

    def __init__(self, offset_of: Callable[[object], int]) -> None:
        self.fetch: Fetch | None = None
        self.finished = Finished()
        self._offset_of = offset_of
        self._fetches: deque[Fetch] = deque()
        self._reading: Iterator[object] = iter(())
        self._count: Iterator[object] | Counted = self._reading
        self._left = 0

    def add(self, fetch: Fetch) -> None:
        """Messages have arrived."""
        self._fetches.append(fetch)

    def slice(self, most: int) -> Iterator[object]:
        """The next messages, *most* of them at the most; empty when a fetch ends here."""
        if self.fetch is None and self._fetches:
            self.fetch = self._fetches.popleft()
            before, records = self.finished, self.fetch.records
            self._read(before.skip(records, self._offset_of) if before else iter(records))
        return islice(self._reading, most)

    def _read(self, records: Iterator[object]) -> None:
        self._reading = self._count = records
        if length_hint(records, -1) < 0:
            self._count = Counted(records)
            self._reading = self._count.records
        self._left = length_hint(self._count)

    def taken(self) -> int:
        """How many messages were read since this was last asked. Told by the iterator, so none is counted."""
        before, self._left = self._left, length_hint(self._count)
        return before - self._left

    def spoil(self, error: Exception) -> None:
        """
        Reading has failed. An iterator that raised once may say "exhausted" from then on, and what it did
        not hand out would be committed unread; so it raises for good.
        """
        self._read(iter(partial(_raise, error), None))

    def let_go(self) -> Fetch | None:
        """The fetch that was read to its end, and is forgotten here; None while something is left of it."""
        over = self._count.over if isinstance(self._count, Counted) else not self._left
        if not over or self.fetch is None:
            return None
        fetch, self.fetch = self.fetch, None
        self._reading = self._count = iter(())
        if fetch.end_offset >= self.finished.end:
            self.finished = Finished()
        return fetch

    @property
    def count(self) -> int | None:
        """How many messages were not read; None: they cannot be counted without reading them."""
        if isinstance(self._count, Counted):
            return None
        counts = [length_hint(each.records, -1) for each in self._fetches]
        return None if -1 in counts else sum(counts, length_hint(self._count))

    @property
    def rest(self) -> Iterable[object]:
        """What is left of the fetch that is being read."""
        return self._reading

    @property
    def waiting(self) -> Sequence[Fetch]:
        """The fetches that nothing was read of."""
        return tuple(self._fetches)

    def __bool__(self) -> bool:
        return self.fetch is not None or bool(self._fetches)


def _raise(error: Exception) -> NoReturn:
    raise error
