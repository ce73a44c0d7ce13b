"""
Know whether a partition is still ours.

Each assignment of a partition is a lease of its own. What was begun under one lease counts for nothing
under the next: a completion that comes after the lease ended moves no offset.
"""

from enum import Enum
from itertools import count

import attrs

from partita.core.ports import TopicPartition

_epochs = count(1)


class LeaseState(Enum):
    """Where a lease stands. It only moves down this list."""

    HELD = "held"
    """Messages may be started and offsets committed."""
    DRAINING = "draining"
    """What is in hand is finished and committed; nothing new is started."""
    ENDED = "ended"
    """Nothing may be committed any more."""


_ORDER = [LeaseState.HELD, LeaseState.DRAINING, LeaseState.ENDED]


@attrs.define(eq=False)
class Lease:
    """
    One assignment of one partition to this process.

    Args:
        partition: what was assigned.
        epoch: grows with each assignment in this process, so that two are never taken for one.

    Attributes:
        fence: the broker's number for the assignment, which grows over all processes; 0 until it is known,
            which is before the first message is started.
        state: where it stands.
        takes_messages: whether a message may be started.
        may_commit: whether an offset may be committed.
    """

    partition: TopicPartition
    epoch: int = attrs.field(factory=lambda: next(_epochs))
    state: LeaseState = attrs.field(default=LeaseState.HELD, init=False)
    fence: int = attrs.field(default=0, init=False)
    takes_messages: bool = attrs.field(default=True, init=False)
    may_commit: bool = attrs.field(default=True, init=False)

    def drain(self) -> None:
        """Start nothing new from now on."""
        self._move(LeaseState.DRAINING)

    def end(self) -> None:
        """Commit nothing any more."""
        self._move(LeaseState.ENDED)

    def _move(self, state: LeaseState) -> None:
        if _ORDER.index(state) > _ORDER.index(self.state):
            self.state = state
            self.takes_messages = False
            self.may_commit = state is not LeaseState.ENDED


def _nobodys() -> Lease:
    lease = Lease(TopicPartition("", -1))
    lease.end()
    return lease


# What is looked up for a partition that is not ours.
NOBODYS = _nobodys()


@attrs.define(eq=False)
class Leases:
    """The leases of one member, one for each partition that it has now."""

    _by_partition: dict[tuple[str, int], Lease] = attrs.field(factory=dict, init=False)

    def hold(self, lease: Lease) -> None:
        """A partition is ours under *lease* from now on."""
        self._by_partition[lease.partition] = lease

    def drop(self, lease: Lease) -> None:
        """It is no longer ours, unless another lease has taken the place of *lease*."""
        if self._by_partition.get(lease.partition) is lease:
            del self._by_partition[lease.partition]

    def of(self, topic: str, partition: int) -> Lease:
        """The lease under which a partition is ours; one that has ended when it is not."""
        return self._by_partition.get((topic, partition), NOBODYS)
