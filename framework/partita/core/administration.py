"""
What is at the broker: topics, groups and their offsets, as a broker's answer; and where a group is moved to.

Pure: what is to become of each partition is decided here, and asked and done by a backend.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

import attrs

from partita.core.assignments import TopicPartition
from partita.core.errors import SettingsError

NO_CONFIGS: Mapping[str, str] = {}


@attrs.frozen
class PartitionDescription:
    """
    One partition of a topic.

    Args:
        partition: its number.
        leader: the broker that takes its messages, as the broker names it; "": none at the moment.
        replicas: the brokers that keep a copy, the leader among them.
        in_sync: those of them whose copy is complete.
        earliest: the offset of the first message that is still there, or where it would be.
        latest: the offset after the last message.
    """

    partition: int
    leader: str
    replicas: Sequence[str]
    in_sync: Sequence[str]
    earliest: int
    latest: int


@attrs.frozen
class TopicDescription:
    """
    One topic.

    Args:
        topic: its name.
        partitions: in the order of their numbers.
        configs: the settings that somebody has given it, by the broker's names; secrets are left out.
    """

    topic: str
    partitions: Sequence[PartitionDescription]
    configs: Mapping[str, str]


@attrs.frozen
class GroupMember:
    """
    One member of a group.

    Args:
        id: as the broker names it.
        client: the name that its client gives.
        host: where it runs, as the broker sees it; "": the broker does not say.
        partitions: what it has.
    """

    id: str
    client: str
    host: str
    partitions: Sequence[TopicPartition]


@attrs.frozen
class GroupPartition:
    """
    Where a group stands in one partition.

    Args:
        topic: its topic.
        partition: its number.
        committed: the offset to read next that is stored; None: none is.
        latest: the offset after the last message.
        lag: messages that are not handled.
    """

    topic: str
    partition: int
    committed: int | None
    latest: int
    lag: int


@attrs.frozen
class GroupDescription:
    """
    One group.

    Args:
        group: its name.
        state: as the broker names it, in lower case: on Kafka "stable", "empty", "preparingrebalance",
            "completingrebalance" or "dead" (not there); elsewhere "live", "empty" or "dead".
        members: who has what; None: the broker does not know them apart.
        partitions: where it stands, in the order of topics and numbers.
    """

    group: str
    state: str
    members: Sequence[GroupMember] | None
    partitions: Sequence[GroupPartition] = ()

    @property
    def is_live(self) -> bool:
        """Whether somebody reads in it."""
        return bool(self.members) or self.state not in ("empty", "dead")


@attrs.frozen
class OffsetReset:
    """
    What a reset has done to one partition, or would do.

    Args:
        topic: its topic.
        partition: its number.
        before: the offset that was stored; None: none was.
        after: the offset that is stored now; None: left as it was.
        error: why it was left: the client's own error, or ours.
    """

    topic: str
    partition: int
    before: int | None
    after: int | None
    error: Exception | None = None


@attrs.frozen
class Target:
    """
    Where a group is moved to.

    Args:
        kind: the first message, behind the last, the first message at or after a time, or by a number.
        value: milliseconds since 1970, or how many offsets forward, or backward when below 0.
    """

    kind: Literal["earliest", "latest", "time", "shift"]
    value: int = 0

    @classmethod
    def of(cls, to: object, shift: int | None) -> "Target":
        """
        Read what a caller has given.

        Args:
            to: "earliest", "latest", a datetime with its time zone, or milliseconds since 1970.
            shift: a number of offsets.

        Raises:
            SettingsError: it is none of these, or both or neither are given.
        """
        if (to is None) == (shift is None):
            raise SettingsError("give either to= or shift=")
        if shift is not None:
            return cls("shift", _whole(shift, "shift"))
        if to in ("earliest", "latest"):
            return cls("earliest" if to == "earliest" else "latest")
        if isinstance(to, datetime):
            if to.tzinfo is None:
                raise SettingsError(f"to={to}: give the time with its zone, as datetime.now(UTC) has one")
            return cls("time", max(0, round(to.timestamp() * 1000)))
        millis = _whole(to, "to")
        if millis < 0:
            raise SettingsError(f"to={millis}: a time is in milliseconds since 1970")
        return cls("time", millis)

    def offset(self, committed: int | None, there: PartitionDescription, at_time: int | None) -> int:
        """
        The offset that a partition is moved to, between its first message and behind its last.

        Args:
            committed: what is stored.
            there: how far the partition reaches.
            at_time: the offset of the first message at or after the time, for a target of that kind; None:
                there is no such message, and it is behind the last.

        Raises:
            SettingsError: it is a shift, and nothing is stored that could be shifted.
        """
        if self.kind == "earliest":
            return there.earliest
        if self.kind == "latest":
            return there.latest
        if self.kind == "time":
            wanted = there.latest if at_time is None else at_time
        elif committed is None:
            raise SettingsError("nothing is stored for this partition that could be shifted")
        else:
            wanted = committed + self.value
        return min(max(wanted, there.earliest), there.latest)


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise SettingsError(
            f"{name}={value!r}: give a whole number" + ("" if name == "shift" else ", a datetime, or a name")
        )
    return value


class Administrator(Protocol):
    """What a backend tells of topics and groups, beside making and deleting; and how it moves a group."""

    @property
    def shifts(self) -> bool:
        """Whether offsets count the messages of one partition, so that a shift means something."""
        ...

    async def describe(self, topic: str) -> TopicDescription:
        """One topic. Raises TopicMissing, or the client's own error."""
        ...

    async def add_partitions(self, topic: str, partitions: int) -> None:
        """Let a topic have so many. Raises TopicMissing, SettingsError, or the client's own error."""
        ...

    async def groups(self) -> Mapping[str, str]:
        """The state of each group. Raises the client's own error."""
        ...

    async def group(self, group: str) -> GroupDescription:
        """State and members of one group, without its partitions. Raises the client's own error."""
        ...

    async def at_time(self, topic: str, millis: int) -> Mapping[int, int | None]:
        """The first offset of each partition at or after a time; None: none is. Raises as `describe`."""
        ...

    async def delete_group(self, group: str) -> None:
        """Forget a group that is not live, and what it has committed. Raises the client's own error."""
        ...

    async def move(
        self, group: str, offsets: Mapping[TopicPartition, int]
    ) -> Mapping[TopicPartition, Exception]:
        """
        Store what a group that is not live reads next; returns the client's error for each that failed.

        Raises the client's own error if nothing was done.
        """
        ...
