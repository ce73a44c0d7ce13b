"""The broker in memory: topics as lists, and the groups that read them."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from zlib import crc32

from partita.backends.memory.groups import Group
from partita.backends.memory.records import MemoryRecord
from partita.core.errors import SettingsError, TopicMissing
from partita.core.ports import Outgoing, Receipt, TopicPartition
from partita.core.settings import check_topic_name

Log = list[MemoryRecord]


class MemoryBroker:
    """
    Topics and groups of one process.

    Args:
        partitions: of a topic that comes into being on first use.
    """

    def __init__(self, partitions: int = 4) -> None:
        self.default_partitions = partitions
        self._topics: dict[str, list[Log]] = {}
        self._groups: dict[str, Group] = {}
        # By age and not in a set, whose order is another one in each process.
        self._watchers: defaultdict[TopicPartition, dict[Callable[[], None], None]] = defaultdict(dict)
        self._keyless = 0

    @property
    def topics(self) -> Mapping[str, int]:
        """Each topic's number of partitions."""
        return {topic: len(logs) for topic, logs in self._topics.items()}

    def create(self, topic: str, partitions: int) -> None:
        """
        Make a topic; groups with a pattern that matches it take it up.

        Raises:
            SettingsError: the name or the number cannot be used, or the topic exists.
        """
        check_topic_name(topic)
        if topic in self._topics:
            raise SettingsError(f"there is a topic {topic!r} already")
        if partitions < 1:
            raise SettingsError(f"a topic has 1 partition or more, not {partitions}")
        self._topics[topic] = [[] for _ in range(partitions)]
        for group in self._groups.values():
            group.topics_changed(topic)

    def grow(self, topic: str, partitions: int) -> None:
        """
        Let a topic have *partitions* partitions in all; groups that read it share the new ones.

        Raises:
            TopicMissing: there is none.
            SettingsError: it has as many already.
        """
        logs = self._topics.get(topic)
        if logs is None:
            raise TopicMissing(topic)
        if partitions <= len(logs):
            raise SettingsError(f"{topic!r} has {len(logs)} partitions; give more than that")
        logs += [[] for _ in range(partitions - len(logs))]
        for group in self._groups.values():
            group.topics_changed(topic)

    def ensure(self, topic: str) -> None:
        """Make a topic on first use."""
        if topic not in self._topics:
            self.create(topic, self.default_partitions)

    def delete(self, topic: str) -> None:
        """
        Delete a topic, what is in it, and what groups have committed for it.

        Raises:
            TopicMissing: there is none.
        """
        if self._topics.pop(topic, None) is None:
            raise TopicMissing(topic)
        for group in self._groups.values():
            group.forget(topic)
            group.topics_changed(topic)

    def group(self, name: str) -> Group:
        """The group of that name, made on first use."""
        return self._groups.setdefault(name, Group(name, lambda: self.topics))

    def forget_group(self, name: str) -> None:
        """Drop a group that has no member, with what it has committed."""
        found = self._groups.get(name)
        if found is not None and not found.members:
            del self._groups[name]

    @property
    def groups(self) -> Iterable[Group]:
        """All groups, the oldest first."""
        return self._groups.values()

    def known_group(self, name: str) -> Group | None:
        """The group of that name, if there is one."""
        return self._groups.get(name)

    def log(self, partition: TopicPartition) -> Sequence[MemoryRecord]:
        """What a partition holds, oldest first; empty when its topic is gone."""
        logs = self._topics.get(partition.topic, [])
        return logs[partition.partition] if partition.partition < len(logs) else ()

    def append(self, topic: str, message: Outgoing) -> Receipt:
        """
        Store a message and wake those who read its partition.

        Raises:
            SettingsError: the partition is out of range, or the topic's name is not one.
        """
        self.ensure(topic)
        logs = self._topics[topic]
        number = self._choose(message, len(logs))
        if not 0 <= number < len(logs):
            raise SettingsError(f"{topic!r} has partitions 0 to {len(logs) - 1}, not {number}")
        log = logs[number]
        stamp = time.time_ns() // 1_000_000 if message.timestamp is None else message.timestamp
        headers = tuple(message.headers)
        log.append(MemoryRecord(topic, number, len(log), stamp, message.key, message.value, headers))
        for wake in self._watchers[TopicPartition(topic, number)]:
            wake()
        return Receipt(topic, number, len(log) - 1, stamp)

    def _choose(self, message: Outgoing, partitions: int) -> int:
        if message.partition is not None:
            return message.partition
        if message.key is not None:
            return crc32(message.key) % partitions
        self._keyless += 1
        return self._keyless % partitions

    def watch(self, partition: TopicPartition, wake: Callable[[], None]) -> None:
        """Call *wake* for each message stored in *partition*."""
        self._watchers[partition][wake] = None

    def unwatch(self, partition: TopicPartition, wake: Callable[[], None]) -> None:
        """No longer call *wake*."""
        self._watchers[partition].pop(wake, None)
