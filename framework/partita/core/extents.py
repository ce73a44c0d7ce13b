"""What is asked about a group's backlog, and what a broker answers: facts, not judged yet."""

from collections.abc import Mapping

import attrs

from partita.core.finished import Finished
from partita.core.offset_map import OffsetMap
from partita.core.ports import Commit, TopicPartition


@attrs.frozen
class Held:
    """
    What this process knows of a partition that it owns, more lately than the broker.

    Args:
        position: the first unfinished message's offset, or the offset to read next.
        finished: what is finished above it.
        oldest: the first unfinished message's timestamp in milliseconds since 1970; None: it is not in hand.
        state: what the partition is doing, as one of the named states.
        blocked: whether nothing of it can begin until a retry or a parked message comes to an end.
        hot_key: whether more than half of many messages in hand wait for one key.
        in_hand: messages of it that are not finished here; None: they cannot be counted.
    """

    position: int
    finished: Finished = attrs.field(factory=Finished)
    oldest: int | None = None
    state: str = ""
    blocked: bool = False
    hot_key: bool = False
    in_hand: int | None = None


@attrs.frozen
class BacklogQuestion:
    """
    Whose backlog is asked for.

    Args:
        group: the consumer group.
        topics: topics that it reads; None: those that the broker knows it to have read or to read.
        start: where a partition without a commit begins, "earliest" or "latest".
        held: what this process knows of partitions that it owns in the group.
    """

    group: str
    topics: frozenset[str] | None = None
    start: str = "earliest"
    held: Mapping[TopicPartition, Held] = attrs.field(factory=dict)


@attrs.frozen
class Extent:
    """
    How far one partition reaches, and where the group stands in it.

    Args:
        committed: the offset to read next that the group has stored; None: it has stored none.
        first: the offset of the first message that is not handled, as far as it is known; *end* when all
            are.
        end: the offset after the last message that a member can be handed.
        lag: messages that are not handled.
        arrived: a number that grows by one with each message that arrives; where it starts means nothing.
        oldest: the timestamp of the first message that is not handled, in milliseconds since 1970; None:
            there is none, or it is not known.
        begin: the offset of the first message that the broker still has; 0 where it does not say.
        read: whether a member of the group has the partition; None: the broker does not say.
    """

    committed: int | None
    first: int
    end: int
    lag: int
    arrived: int
    oldest: int | None = None
    begin: int = 0
    read: bool | None = None


@attrs.frozen
class GroupExtents:
    """
    A broker's answer.

    Args:
        partitions: every partition of the topics that were asked for.
        members: how many members the group has; None: the broker does not say.
    """

    partitions: Mapping[TopicPartition, Extent]
    members: int | None = None


@attrs.frozen
class Place:
    """
    Where a group stands in a partition whose messages are numbered without regard to other partitions.

    Args:
        position: the first offset that is not handled.
        finished: what is handled above it.
    """

    position: int
    finished: Finished

    @classmethod
    def of(cls, commit: Commit | None, held: Held | None, begin: int, end: int, start: str) -> "Place":
        """
        Work it out from what the group has stored and what this process knows.

        Args:
            commit: what the group has stored.
            held: what this process knows.
            begin: the first offset that there is still: what the group has not read below it is gone.
            end: the offset after the last message.
            start: where a group without a commit begins, and one whose commit points past *end* or to what
                is gone, as the client has it.
        """
        elsewhere = begin if start == "earliest" else end
        if held is not None and (commit is None or held.position >= commit.offset):
            position, finished = held.position, held.finished
        elif commit is not None:
            position, finished = commit.offset, OffsetMap.decode(commit.offset, commit.metadata).finished
        else:
            position, finished = elsewhere, Finished()
        if not begin <= position <= end and held is None:
            position = elsewhere
        position = min(max(position, begin), end)
        return cls(position, finished.above(position - 1))

    def unfinished(self, messages: int, end: int) -> int:
        """
        How many of *messages* that lie from the position up to *end* are not finished.

        A finished run may span offsets that hold no message, so this may be too few by those; it is not
        below zero, nor is it zero for a first message that is not finished.
        """
        done = sum(min(stop, end) - start for start, stop in self.finished.runs() if start < end)
        return max(messages - done, min(messages, 1))
