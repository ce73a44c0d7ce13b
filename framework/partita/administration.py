"""What administers: the part of a bus that makes, lists, describes and deletes what is at the broker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Collection, Mapping, Sequence
from datetime import datetime

import attrs

from partita.core.administration import (
    NO_CONFIGS,
    GroupDescription,
    GroupPartition,
    OffsetReset,
    PartitionDescription,
    Target,
    TopicDescription,
)
from partita.core.errors import SettingsError
from partita.core.extents import BacklogQuestion
from partita.core.ports import TopicPartition
from partita.core.settings import check_topic_name
from partita.opened import Opened


class Administration(Opened):
    """Administers one broker."""

    async def create_topic(
        self,
        topic: str,
        *,
        partitions: int = 4,
        replication: int = 1,
        configs: Mapping[str, str] = NO_CONFIGS,
    ) -> None:
        """
        Make a topic.

        Args:
            topic: its name.
            partitions: how many. Default 4.
            replication: copies of each message. Default 1.
            configs: the broker's own settings of a topic by name, such as `{"retention.ms": "60000"}`.

        Raises:
            SettingsError: the name, a number or a setting cannot be used.
            Exception: the client's own error, also when the topic exists.
        """
        self._check_open()
        check_topic_name(topic)
        await self._backend.create_topic(
            topic, partitions=partitions, replication=replication, configs=configs
        )

    async def create_topics(
        self,
        topics: Collection[str],
        *,
        partitions: int = 4,
        replication: int = 1,
        configs: Mapping[str, str] = NO_CONFIGS,
    ) -> Mapping[str, Exception | None]:
        """
        Make several topics alike; returns for each None, or the error that `create_topic` would raise.

        One that exists does not keep the others from being made.
        """
        self._check_open()
        return await _each(
            {
                topic: self.create_topic(
                    topic, partitions=partitions, replication=replication, configs=configs
                )
                for topic in topics
            }
        )

    async def list_topics(self) -> Mapping[str, int]:
        """Each topic's number of partitions, the broker's internal topics left out."""
        self._check_open()
        return await self._backend.list_topics()

    async def describe_topic(self, topic: str) -> TopicDescription:
        """
        Partitions with leader, copies and offsets, and the settings that somebody has given the topic.

        Raises:
            TopicMissing: there is none.
            Exception: the client's own error.
        """
        self._check_open()
        return await self._backend.administrator.describe(topic)

    async def add_partitions(self, topic: str, partitions: int) -> None:
        """
        Let a topic have *partitions* partitions in all. Keys then go to other partitions than before.

        Raises:
            TopicMissing: there is none.
            SettingsError: it has as many or more already.
            Exception: the client's own error.
        """
        self._check_open()
        await self._backend.administrator.add_partitions(topic, partitions)

    async def delete_topic(self, topic: str) -> None:
        """Delete a topic and what is in it. Raises TopicMissing, or the client's own error."""
        self._check_open()
        await self._backend.delete_topic(topic)

    async def delete_topics(self, topics: Collection[str]) -> Mapping[str, Exception | None]:
        """Delete several topics; returns for each None, or the error that `delete_topic` would raise."""
        self._check_open()
        return await _each({topic: self.delete_topic(topic) for topic in topics})

    async def list_groups(self) -> Mapping[str, str]:
        """The state of each consumer group, as `GroupDescription.state` has it. Raises the client's error."""
        self._check_open()
        return await self._backend.administrator.groups()

    async def delete_group(self, group: str) -> None:
        """
        Forget a group and what it has committed. One that is not there is deleted already.

        Raises:
            SettingsError: it is live.
            Exception: the client's own error.
        """
        self._check_open()
        _refuse_live(await self._backend.administrator.group(group), "is not deleted; stop its members first")
        await self._backend.administrator.delete_group(group)

    async def group_offsets(self, group: str) -> Mapping[tuple[str, int], int]:
        """The offset that a group reads next, by topic and partition; where nothing is stored, none."""
        described = await self.describe_group(group)
        return {
            (each.topic, each.partition): each.committed
            for each in described.partitions
            if each.committed is not None
        }

    async def describe_group(self, group: str, *, topics: Collection[str] | None = None) -> GroupDescription:
        """
        Members with what they have, and where the group stands in each partition.

        Args:
            group: its name; of one that is not there nothing is told.
            topics: of which to tell; default: those that it reads or has committed something of.

        Raises:
            TopicMissing: a topic that is named does not exist.
            Exception: the client's own error.
        """
        self._check_open()
        wanted = None if topics is None else frozenset(topics)
        found = await self._backend.administrator.group(group)
        there = await self._backend.extents(BacklogQuestion(group, wanted))
        partitions = [
            GroupPartition(*at, each.committed, each.end, each.lag) for at, each in there.partitions.items()
        ]
        return attrs.evolve(
            found, partitions=sorted(partitions, key=lambda each: (each.topic, each.partition))
        )

    async def reset_offsets(
        self,
        group: str,
        topics: Collection[str] | None = None,
        *,
        to: str | int | datetime | None = None,
        shift: int | None = None,
        dry_run: bool = False,
    ) -> Sequence[OffsetReset]:
        """
        Move a group, so that it reads again or leaves out. What it had finished out of turn is forgotten.

        Args:
            group: its name; it must have no member.
            topics: of which; default: those that it has committed something of.
            to: "earliest", "latest", or the first message at or after a time: a datetime with its zone, or
                milliseconds since 1970. Behind the last message where there is none so late.
            shift: or so many offsets forward, or backward if below 0; not beyond what is there.
            dry_run: change nothing, only tell.

        Returns:
            What has become of each partition; `.error` where it was left as it was.

        Raises:
            SettingsError: the group is live, or a value cannot be used.
            TopicMissing: a topic does not exist.
            Exception: the client's own error.
        """
        target = Target.of(to, shift)
        if target.kind == "shift" and not self._backend.administrator.shifts:
            raise SettingsError(
                "the partitions of a topic share their offsets on this broker, so a shift would not count "
                "the messages of a partition; give a time"
            )
        described = await self.describe_group(group, topics=topics)
        _refuse_live(described, "what its members commit next would undo the reset; stop them first")
        if not described.partitions:
            raise SettingsError(
                f"nothing is known of a group {group!r}; name its topics to give it a beginning"
            )
        planned = [each async for each in self._plan(described.partitions, target)]
        if dry_run:
            return planned
        return await self._move(group, planned)

    async def _plan(self, partitions: Sequence[GroupPartition], target: Target) -> AsyncIterator[OffsetReset]:
        there: dict[str, Mapping[int, PartitionDescription]] = {}
        times: dict[str, Mapping[int, int | None]] = {}
        administrator = self._backend.administrator
        for each in partitions:
            topic = each.topic
            if topic not in there:
                described = await administrator.describe(topic)
                there[topic] = {one.partition: one for one in described.partitions}
                if target.kind == "time":
                    times[topic] = await administrator.at_time(topic, target.value)
            at_time = times.get(topic, {}).get(each.partition)
            try:
                after = target.offset(each.committed, there[topic][each.partition], at_time)
            except SettingsError as error:
                yield OffsetReset(topic, each.partition, each.committed, None, error)
            else:
                yield OffsetReset(topic, each.partition, each.committed, after)

    async def _move(self, group: str, planned: Sequence[OffsetReset]) -> Sequence[OffsetReset]:
        offsets = {
            TopicPartition(each.topic, each.partition): each.after
            for each in planned
            if each.after is not None
        }
        errors = await self._backend.administrator.move(group, offsets) if offsets else {}
        done = []
        for each in planned:
            error = errors.get(TopicPartition(each.topic, each.partition))
            done.append(each if error is None else attrs.evolve(each, after=None, error=error))
        return done


def _refuse_live(found: GroupDescription, told: str) -> None:
    if found.is_live:
        count = "" if found.members is None else f" with {len(found.members)} members"
        raise SettingsError(f"the group {found.group!r} is live ({found.state}{count}): {told}")


async def _each(calls: Mapping[str, Awaitable[None]]) -> Mapping[str, Exception | None]:
    outcomes = await asyncio.gather(*calls.values(), return_exceptions=True)
    found: dict[str, Exception | None] = {}
    for name, outcome in zip(calls, outcomes, strict=True):
        if isinstance(outcome, BaseException) and not isinstance(outcome, Exception):
            raise outcome  # nothing of a single topic, such as KeyboardInterrupt
        found[name] = outcome
    return found
