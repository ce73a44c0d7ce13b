"""
What partitions that went away had in hand, kept for a while in case they come back.

A rebalance often gives a member the partitions that it had. What it had read and not handled is then as good
as what it would read again, if nobody has handled any of it meanwhile: if the broker's commit is the very one
that this member made last. Otherwise it is thrown away.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import attrs

from partita.actors.partition import Partition
from partita.core.finished import Finished
from partita.core.ports import Commit, Fetch, TopicPartition

KEPT_SECONDS = 60.0
KEPT_BYTES = 32 * 1024 * 1024


@attrs.frozen(eq=False)
class Unhandled:
    """
    What a partition had in hand when it went.

    Args:
        commit: what was committed last, which its commit at the broker must equal.
        finished: what was finished above the commit.
        fetches: what was read and not handled, as it would arrive again.
        size_bytes: how much that is.
    """

    commit: Commit
    finished: Finished
    fetches: Sequence[Fetch]
    size_bytes: int

    @property
    def end_offset(self) -> int:
        """The offset to read next behind it."""
        return self.fetches[-1].end_offset


class WarmStore:
    """
    What partitions had in hand, by partition.

    Args:
        seconds: how long each is kept.
        most_bytes: how much is kept in all; the oldest goes first.
    """

    def __init__(self, seconds: float = KEPT_SECONDS, most_bytes: int = KEPT_BYTES) -> None:
        self._seconds, self._most_bytes = seconds, most_bytes
        self._kept: dict[TopicPartition, Unhandled] = {}
        self._timers: dict[TopicPartition, asyncio.TimerHandle] = {}

    @property
    def size_bytes(self) -> int:
        """How much is kept."""
        return sum(each.size_bytes for each in self._kept.values())

    def keep(self, at: TopicPartition, unhandled: Unhandled) -> None:
        """A partition has gone."""
        self._kept[at] = unhandled
        loop = asyncio.get_running_loop()
        self._timers[at] = loop.call_later(self._seconds, self.take, at)
        while self.size_bytes > self._most_bytes:
            self.take(next(iter(self._kept)))

    def keep_all(self, going: Iterable[Partition], stored: Callable[[Partition], Commit | None]) -> None:
        """
        Partitions go: keep what they have in hand.

        Args:
            going: drained as far as they could be.
            stored: the commit of one, if all that it has finished is in it.
        """
        for each in going:
            commit = stored(each) if each.lease.may_commit else None
            if commit is not None and (fetches := each.left()):
                self.keep(each.name, Unhandled(commit, each.finished_above(), fetches, each.gate.held))

    def take(self, at: TopicPartition) -> Unhandled | None:
        """What a partition had in hand, which is not kept any longer; None: nothing is kept."""
        if at in self._timers:
            self._timers.pop(at).cancel()
        return self._kept.pop(at, None)

    def clear(self) -> None:
        """Keep nothing any longer."""
        for at in list(self._kept):
            self.take(at)

    def __repr__(self) -> str:
        return f"<WarmStore {len(self._kept)} partitions, {self.size_bytes} bytes>"
