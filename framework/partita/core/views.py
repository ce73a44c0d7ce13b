"""What a broker says of a member, which is held against what the member knows of itself."""

from collections.abc import Mapping

import attrs

from partita.core.ports import TopicPartition


@attrs.frozen
class BrokerView:
    """
    How the broker sees one member of a group, and the topics that it reads.

    Args:
        settled: whether the group is between two rebalances, so that what it says is in force.
        owned: the partitions that are this member's.
        orphans: partitions of its topics that no member has and that there is something to read in.
        unread: messages that the member is still to be handed, for each partition that it reads; None: its
            client does not tell, though the broker answers.
        missing: its topics that are not there any more.
        begins: the first offset that is left in each of its partitions, where the broker tells that.
    """

    settled: bool
    owned: frozenset[TopicPartition] = frozenset()
    orphans: frozenset[TopicPartition] = frozenset()
    unread: Mapping[TopicPartition, int] | None = attrs.field(factory=dict)
    missing: frozenset[str] = frozenset()
    begins: Mapping[TopicPartition, int] = attrs.field(factory=dict)
