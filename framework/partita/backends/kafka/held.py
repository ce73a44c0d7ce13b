"""What the client has given and nobody has been handed yet."""

from collections.abc import Collection, Mapping, Sequence

from partita.backends.kafka.rebalance import Ownership
from partita.core.ports import Fetch, TopicPartition


class Held:
    """
    Fetches that arrived for partitions that had closed meanwhile, kept until these open.

    The client has moved past them and gives them no second time, unless the partition changes hands:
    whoever owns it then reads on from the committed offset, so they are dropped.

    Args:
        owned: tells which assignment is in force.
    """

    def __init__(self, owned: Ownership) -> None:
        self._owned = owned
        self._epoch = owned.epoch
        self._fetches: list[Fetch] = []

    def add(self, epoch: int, fetches: Sequence[Fetch]) -> None:
        """Keep what arrived under the assignment of *epoch*, after what is kept already."""
        self._drop_what_is_over()
        if epoch == self._epoch:
            self._fetches += fetches

    def take(self, closed: Collection[TopicPartition]) -> list[Fetch]:
        """Hand out what belongs to partitions that are not *closed*."""
        if not self._fetches:
            return []
        self._drop_what_is_over()
        fetches = self._fetches
        self._fetches = [each for each in fetches if each.partition in closed]
        return [each for each in fetches if each.partition not in closed]

    def messages(self) -> Mapping[TopicPartition, int]:
        """How many messages are kept at the most, for each partition."""
        self._drop_what_is_over()
        counts: dict[TopicPartition, int] = {}
        for fetch in self._fetches:
            # They may be lazy: how many there are at the most is told by their offsets.
            here = fetch.end_offset - fetch.start_offset
            counts[fetch.partition] = counts.get(fetch.partition, 0) + here
        return counts

    def _drop_what_is_over(self) -> None:
        if self._epoch != self._owned.epoch:
            self._epoch, self._fetches = self._owned.epoch, []
