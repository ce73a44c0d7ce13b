"""
Decide which offsets are due to be committed. Pure: the caller passes the time in and sends the request.

Due are: a second after the last commit, or 10,000 finished messages, or at once when asked to (a
partition went idle, a drain). A refused commit leaves its partition dirty, so the next one carries it.
"""

from collections.abc import Collection, Mapping

import attrs

from partita.core.ports import TopicPartition


@attrs.frozen
class CommitPolicy:
    """
    When offsets are committed.

    Args:
        interval: seconds between commits while messages are being handled.
        every: finished messages after which the interval is not waited for.
        idle: seconds after a partition went idle.
    """

    interval: float = 1.0
    every: int = 10_000
    idle: float = 0.05


@attrs.define(eq=False)
class CommitPlan:
    """What was committed for each partition of a member, and what may be committed now."""

    _committed: dict[TopicPartition, int] = attrs.field(factory=dict, init=False)

    def due(self, committable: Mapping[TopicPartition, int | None]) -> dict[TopicPartition, int]:
        """The offsets to send: those above what was committed. A commit never moves back."""
        return {
            partition: offset
            for partition, offset in committable.items()
            if offset is not None and offset > self._committed.get(partition, -1)
        }

    def sent(self, offsets: Mapping[TopicPartition, int], refused: Collection[TopicPartition]) -> None:
        """The broker has stored *offsets*, those of *refused* left out."""
        for partition, offset in offsets.items():
            if partition not in refused:
                self._committed[partition] = offset

    def forget(self, partition: TopicPartition) -> None:
        """The partition is no longer this member's."""
        self._committed.pop(partition, None)
