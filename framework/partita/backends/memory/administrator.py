"""What the broker in memory tells of its topics and groups, and how a group is moved."""

from collections.abc import Mapping

from partita.backends.memory.broker import MemoryBroker
from partita.core.administration import (
    GroupDescription,
    GroupMember,
    PartitionDescription,
    TopicDescription,
)
from partita.core.errors import SettingsError, TopicMissing
from partita.core.ports import Commit, TopicPartition

_HERE = ("memory",)


class MemoryAdministrator:
    """
    Looks at the broker and at nothing else; nothing comes into being for a question.

    Args:
        broker: the topics and groups.
    """

    shifts = True

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def _partitions(self, topic: str) -> range:
        if topic not in self._broker.topics:
            raise TopicMissing(topic)
        return range(self._broker.topics[topic])

    async def describe(self, topic: str) -> TopicDescription:
        """One topic. Raises TopicMissing."""
        ends = {each: len(self._broker.log(TopicPartition(topic, each))) for each in self._partitions(topic)}
        described = [PartitionDescription(each, "memory", _HERE, _HERE, 0, end) for each, end in ends.items()]
        return TopicDescription(topic, described, {})

    async def add_partitions(self, topic: str, partitions: int) -> None:
        """Let a topic have so many. Raises TopicMissing or SettingsError."""
        self._broker.grow(topic, partitions)

    async def groups(self) -> Mapping[str, str]:
        """The state of each group."""
        return {each.name: _state(each.members) for each in self._broker.groups}

    async def group(self, group: str) -> GroupDescription:
        """State and members of one group."""
        found = self._broker.known_group(group)
        if found is None:
            return GroupDescription(group, "dead", [])
        members = [
            GroupMember(f"{name}-{number}", name, "", share)
            for number, (name, share) in enumerate(found.shares)
        ]
        return GroupDescription(group, _state(found.members), members)

    async def at_time(self, topic: str, millis: int) -> Mapping[int, int | None]:
        """The first offset of each partition at or after a time. Raises TopicMissing."""
        logs = {each: self._broker.log(TopicPartition(topic, each)) for each in self._partitions(topic)}
        return {
            number: next((each.offset for each in log if each.timestamp >= millis), None)
            for number, log in logs.items()
        }

    async def delete_group(self, group: str) -> None:
        """Forget a group and what it has committed."""
        self._broker.forget_group(group)

    async def move(
        self, group: str, offsets: Mapping[TopicPartition, int]
    ) -> Mapping[TopicPartition, Exception]:
        """Store what a group reads next; a member that has come meanwhile keeps what it reads."""
        found = self._broker.group(group)
        if found.members:
            return {at: SettingsError(f"a member has joined {group!r} meanwhile") for at in offsets}
        found.committed.update({at: Commit(offset) for at, offset in offsets.items()})
        return {}


def _state(members: int) -> str:
    return "live" if members else "empty"
