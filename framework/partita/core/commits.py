"""
Decide which commits are due. Pure: the caller passes the time in and sends the request.

Due are: a second after the last commit, or 10,000 finished messages, or at once when asked to (a
partition went idle, a drain). A refused commit leaves its partition dirty, so the next one carries it.
"""

from collections.abc import Collection, Mapping

import attrs

from partita.core.ports import Commit, TopicPartition


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

    _committed: dict[TopicPartition, Commit] = attrs.field(factory=dict, init=False)

    def due(self, committable: Mapping[TopicPartition, Commit | None]) -> dict[TopicPartition, Commit]:
        """The commits to send: whose offset moved, or whose metadata changed. An offset never moves back."""
        return {
            partition: commit
            for partition, commit in committable.items()
            if commit is not None and self._is_due(commit, self._committed.get(partition))
        }

    @staticmethod
    def _is_due(commit: Commit, before: Commit | None) -> bool:
        return before is None or (commit != before and commit.offset >= before.offset)

    def sent(self, commits: Mapping[TopicPartition, Commit], refused: Collection[TopicPartition]) -> None:
        """The broker has stored *commits*, those of *refused* left out."""
        for partition, commit in commits.items():
            if partition not in refused:
                self._committed[partition] = commit

    def stored(self, partition: TopicPartition) -> Commit | None:
        """What the broker has stored for us last; None: nothing yet."""
        return self._committed.get(partition)

    def forget(self, partition: TopicPartition) -> None:
        """The partition is no longer this member's."""
        self._committed.pop(partition, None)
