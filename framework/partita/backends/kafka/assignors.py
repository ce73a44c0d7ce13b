"""How the members of a group share its partitions out."""

from collections.abc import Callable, Mapping
from typing import Any

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from aiokafka.structs import TopicPartition


class StickyAssignor(StickyPartitionAssignor):
    """
    Balanced, and a partition stays where it is unless balance wants it elsewhere; "sticky" on the wire.

    The client's own (0.14) is wrong where two members claim one partition, and about topics that nobody in
    the group reads: it may give a member a topic that it does not read, move partitions for nothing, or
    fail on an internal topic. So it is shown only what is beyond doubt.
    """

    @classmethod
    def assign(
        cls, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Each member's partitions, decided by the leader of the group."""
        topics = {topic for each in members.values() for topic in each.subscription}
        shown: Any = _TopicsOfTheGroup(cluster, topics)
        return super().assign(shown, cls._undisputed(members))

    @classmethod
    def _undisputed(
        cls, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberMetadata]:
        """The members without those claims that a newer one has overtaken."""
        told = {name: cls.parse_member_metadata(each) for name, each in members.items()}
        holders: dict[TopicPartition, str] = {}
        for name, each in told.items():
            for at in each.partitions:
                holder = holders.setdefault(at, name)
                if each.generation > told[holder].generation:
                    holders[at] = name
        return {
            name: cls._metadata(
                each.subscription, [at for at in each.partitions if holders[at] == name], each.generation
            )
            for name, each in told.items()
        }


class _TopicsOfTheGroup:
    """
    What the client's assignor asks of a cluster, without topics that nobody in the group reads.

    Args:
        cluster: what it knows.
        topics: what the group reads.
    """

    def __init__(self, cluster: Any, topics: set[str]) -> None:
        self._whole, self._read = cluster, topics

    def topics(self) -> set[str]:
        """The topics that the group reads, internal ones too: somebody has asked for them by name."""
        return self._read.intersection(self._whole.topics(exclude_internal_topics=False))

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """The numbers of a topic's partitions; None when it is not known."""
        found: set[int] | None = self._whole.partitions_for_topic(topic)
        return found


def sticky_assignor() -> type[StickyAssignor]:
    """
    One for each consumer: it remembers on the class what it owns, so that two consumers in one process
    would claim each other's partitions (aiokafka issue 1175, 0.14).
    """

    class OwnMemory(StickyAssignor):
        """Remembers what one consumer owns."""

    return OwnMemory


ASSIGNORS: Mapping[str, Callable[[], type[AbstractPartitionAssignor]]] = {
    "sticky": sticky_assignor,
    "range": lambda: RangePartitionAssignor,
    "roundrobin": lambda: RoundRobinPartitionAssignor,
}
