"""What a member of a group is given and gives back: partitions, what arrives for them, and commits."""

from collections.abc import Iterable
from re import Pattern
from typing import NamedTuple

import attrs


class TopicPartition(NamedTuple):
    """One ordered slice of a topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


@attrs.define(eq=False)
class Fetch:
    """
    Messages of one partition that arrived together, unread.

    Args:
        partition: whose they are.
        records: the client's records in offset order; may be lazy, is read once.
        end_offset: the offset to read next when *records* is exhausted.
        size_bytes: keys and values, in bytes; what flow control counts.
        start_offset: the offset that it was read from; that of its first record, or below.
    """

    partition: TopicPartition
    records: Iterable[object]
    end_offset: int
    size_bytes: int
    start_offset: int


@attrs.frozen
class Membership:
    """
    What one member of a group reads.

    Args:
        group: the group's name; members of one group share the partitions.
        topics: topic names; each must exist.
        patterns: expressions that match a whole topic name.
        start: where a partition without a commit begins, "earliest" or "latest".
        name: this member's name in logs and on the broker.
        temporary: nobody will come back to the group, so the broker may forget it with its last member.
    """

    group: str
    topics: frozenset[str] = frozenset()
    patterns: tuple[Pattern[str], ...] = ()
    start: str = "earliest"
    name: str = "partita"
    temporary: bool = False


@attrs.frozen
class Commit:
    """
    What a group stores for a partition.

    Args:
        offset: the offset to read next; all below it is finished.
        metadata: text that belongs to this offset, at most 4,096 characters; "": none.
    """

    offset: int
    metadata: str = ""
