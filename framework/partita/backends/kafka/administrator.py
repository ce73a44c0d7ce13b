"""What the brokers tell of topics and groups, and how a group is moved: over the admin connection."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aiokafka.admin import NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    InvalidPartitionsError,
    NoError,
    for_code,
)
from aiokafka.protocol.admin import DeleteGroupsRequest
from aiokafka.protocol.commit import OffsetCommitRequest

from partita.backends.kafka import client
from partita.backends.kafka.admin import KafkaAdmin, is_ready
from partita.backends.kafka.extents import BEGIN, END, Ends, KafkaExtents, settled
from partita.backends.kafka.membership import assignment
from partita.core.administration import (
    GroupDescription,
    GroupMember,
    PartitionDescription,
    TopicDescription,
)
from partita.core.errors import SettingsError, TopicMissing
from partita.core.ports import TopicPartition

# A commit of nobody's: the coordinator takes it only while the group has no member.
_NO_GENERATION, _NO_MEMBER, _KEEP = -1, "", -1
_NO_SUCH_GROUP = 69
_OF_THE_TOPIC = 1  # where a setting comes from; the others are defaults of brokers, cluster and Kafka


class KafkaAdministrator:
    """
    Describes and moves.

    Args:
        admin: the connection.
        extents: asks for offsets.
    """

    shifts = True

    def __init__(self, admin: KafkaAdmin, extents: KafkaExtents) -> None:
        self._admin, self._extents = admin, extents

    async def describe(self, topic: str) -> TopicDescription:
        """One topic. Raises TopicMissing, or the client's own error."""
        partitions, begins, ends = await settled(lambda: self._reach(topic, BEGIN, END))
        configs = await self._configs(topic)
        described = [
            PartitionDescription(
                partition=each["partition"],
                leader=str(each["leader"]) if each["leader"] >= 0 else "",
                replicas=[str(node) for node in each["replicas"]],
                in_sync=[str(node) for node in each["isr"]],
                earliest=begins.get(TopicPartition(topic, each["partition"]), 0),
                latest=ends.get(TopicPartition(topic, each["partition"]), 0),
            )
            for each in partitions
        ]
        return TopicDescription(topic, sorted(described, key=lambda each: each.partition), configs)

    async def _reach(
        self, topic: str, first: int, second: int
    ) -> tuple[Sequence[Mapping[str, Any]], Ends, Ends]:
        """The partitions, and two offsets of each."""
        partitions = await self._partitions(topic)
        leaders = _leaders(topic, partitions)
        one, other = await asyncio.gather(
            self._extents.offsets(leaders, first), self._extents.offsets(leaders, second)
        )
        return partitions, one, other

    async def _partitions(self, topic: str) -> Sequence[Mapping[str, Any]]:
        found = (await self._admin.described()).get(topic)
        if found is None:
            raise TopicMissing(topic)
        partitions: Sequence[Mapping[str, Any]] = found["partitions"]
        return partitions

    async def _configs(self, topic: str) -> Mapping[str, str]:
        wanted = client.make(ConfigResource, ConfigResourceType.TOPIC, topic, None)
        answers = await self._admin.answer(lambda admin: admin.describe_configs([wanted]))
        code, text, _, _, entries = answers[0].resources[0]
        _check(code, text)
        return {
            name: value
            for name, value, _, source, secret, *_ in entries
            if source == _OF_THE_TOPIC and not secret and value is not None
        }

    async def add_partitions(self, topic: str, partitions: int) -> None:
        """Let a topic have so many, and wait until they have leaders. Raises as the protocol says."""
        there = len(await self._partitions(topic))
        if partitions <= there:
            raise SettingsError(f"{topic!r} has {there} partitions; give more than that")
        new = {topic: client.make(NewPartitions, partitions)}
        try:
            await self._admin.on_controller(lambda admin: admin.create_partitions(new))
        except InvalidPartitionsError as error:
            if len(await self._partitions(topic)) < partitions:
                raise
            raise SettingsError(f"{topic!r} has as many partitions by now") from error
        await self._admin.wait_until(lambda seen: is_ready(seen.get(topic), partitions))

    async def groups(self) -> Mapping[str, str]:
        """The state of each group of consumers. Raises the client's own error."""
        cluster = await self._admin.answer(lambda admin: admin.describe_cluster())
        found = await asyncio.gather(*[self._groups_of(each["node_id"]) for each in cluster["brokers"]])
        return dict(sorted(each for states in found for each in states.items()))

    async def _groups_of(self, node: int) -> Mapping[str, str]:
        """The groups that one broker coordinates."""
        listed = await self._admin.answer(lambda admin: admin.list_consumer_groups([node]))
        names = [name for name, kind in listed if kind in ("", "consumer")]
        # One at a time: the client cannot read an answer about several, as its request of version 3 is read
        # by the answer of version 2 (aiokafka 0.14, `DescribeGroupsRequest_v3`).
        states = await asyncio.gather(*[self._state(name, node) for name in names])
        return dict(zip(names, states, strict=True))

    async def _state(self, group: str, node: int) -> str:
        answers = await self._admin.answer(lambda admin: admin.describe_consumer_groups([group], node))
        return str(answers[0].to_object()["groups"][0]["state"]).lower()

    async def group(self, group: str) -> GroupDescription:
        """State and members of one group. Raises the client's own error."""
        described = await self._admin.described_group(group)
        _check(described["error_code"])
        members = [
            GroupMember(
                id=each["member_id"],
                client=each["client_id"],
                host=each["client_host"].lstrip("/"),
                partitions=sorted(assignment(each["member_assignment"])),
            )
            for each in described["members"]
        ]
        return GroupDescription(group, described["state"].lower(), members)

    async def at_time(self, topic: str, millis: int) -> Mapping[int, int | None]:
        """The first offset of each partition at or after a time. Raises as `describe`."""
        _, found, _ = await settled(lambda: self._reach(topic, millis, END))
        return {at.partition: offset if offset >= 0 else None for at, offset in found.items()}

    async def delete_group(self, group: str) -> None:
        """Delete a group; the coordinator refuses it with `NonEmptyGroupError` when a member has joined."""
        request = client.make(DeleteGroupsRequest, [group])
        node = int(await self._admin.answer(lambda admin: admin.find_coordinator(group)))
        answer = await self._admin.answer(lambda admin: client.send(admin, node, request))
        for _, code in answer.results:
            if code != _NO_SUCH_GROUP:
                _check(code)

    async def move(
        self, group: str, offsets: Mapping[TopicPartition, int]
    ) -> Mapping[TopicPartition, Exception]:
        """
        Store what a group reads next, without what it had finished out of turn.

        The coordinator refuses it with `UnknownMemberIdError` when a member has joined meanwhile.
        """
        topics = defaultdict(list)
        for at, offset in offsets.items():
            topics[at.topic].append((at.partition, offset, ""))
        request = client.make(
            OffsetCommitRequest, group, _NO_GENERATION, _NO_MEMBER, _KEEP, list(topics.items())
        )
        node = int(await self._admin.answer(lambda admin: admin.find_coordinator(group)))
        answer = await self._admin.answer(lambda admin: client.send(admin, node, request))
        return dict(_refused(answer.topics))


def _refused(topics: Any) -> Iterator[tuple[TopicPartition, Exception]]:
    for topic, partitions in topics:
        for number, code in partitions:
            error = for_code(code)
            if error is not NoError:
                yield (
                    TopicPartition(topic, number),
                    error(f"the coordinator of the group refused it ({code})"),
                )


def _leaders(topic: str, partitions: Sequence[Mapping[str, Any]]) -> Mapping[TopicPartition, int]:
    """Those that have one; without one nobody can tell how far a partition reaches."""
    return {
        TopicPartition(topic, each["partition"]): each["leader"] for each in partitions if each["leader"] >= 0
    }


def _check(code: int, text: str | None = None) -> None:
    error = for_code(code)
    if error is not NoError:
        raise error(text or "")
