"""What a group has stored and who its members are, as its coordinator says."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import NoError, for_code
from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.protocol.commit import OffsetFetchRequest

from partita.backends.kafka import client
from partita.backends.kafka.admin import KafkaAdmin
from partita.core.ports import Commit, TopicPartition

_NOTHING_KNOWN = "Dead"


@attrs.frozen
class Stored:
    """
    One group.

    Args:
        commits: what it has stored.
        members: how many it has; None: the coordinator does not say.
        owned: the partitions that they have; None: it does not say.
    """

    commits: Mapping[TopicPartition, Commit]
    members: int | None
    owned: frozenset[TopicPartition] | None

    @property
    def topics(self) -> frozenset[str]:
        """Those of which it has stored something or has a partition."""
        return frozenset(at.topic for at in (*self.commits, *(self.owned or ())))


class GroupReader:
    """
    Asks coordinators.

    Args:
        admin: the connection.
    """

    def __init__(self, admin: KafkaAdmin) -> None:
        self._admin = admin
        self._coordinators: dict[str, int] = {}

    async def ask(self, group: str) -> Stored:
        """What there is to know of a group. Raises the client's own error."""
        node = self._coordinators.pop(group, None)
        if node is None:
            node = int(await self._admin.answer(lambda admin: admin.find_coordinator(group)))
        commits, described = await asyncio.gather(self._commits(group, node), self._described(group, node))
        self._coordinators[group] = node  # kept for as long as it answers
        if described["state"] == _NOTHING_KNOWN and commits:
            # A group of the newer kind (KIP-848), which this request does not tell of.
            return Stored(commits, None, None)
        return Stored(commits, len(described["members"]), frozenset(_assigned(described["members"])))

    async def _commits(self, group: str, node: int) -> Mapping[TopicPartition, Commit]:
        # Asked for by the protocol: the client's own call takes an error of the whole answer for a group
        # that has stored nothing (aiokafka 0.14, `list_consumer_group_offsets`).
        request = client.make(OffsetFetchRequest, group, None)
        answer = await self._admin.answer(lambda admin: client.send(admin, node, request))
        _check(answer.error_code)
        found = {}
        for topic, partitions in answer.topics:
            for number, offset, metadata, code in partitions:
                _check(code)
                if offset >= 0:
                    found[TopicPartition(topic, number)] = Commit(offset, metadata or "")
        return found

    async def _described(self, group: str, node: int) -> Mapping[str, Any]:
        request = client.make(DescribeGroupsRequest, [group])
        answer = await self._admin.answer(lambda admin: client.send(admin, node, request))
        described: Mapping[str, Any] = answer.to_object()["groups"][0]
        _check(described["error_code"])
        return described


def _assigned(members: list[dict[str, Any]]) -> Iterator[TopicPartition]:
    for each in members:
        yield from assignment(each["member_assignment"])


def assignment(data: bytes) -> Iterator[TopicPartition]:
    """The partitions of one member, as it was told them; none while it was told nothing yet."""
    if data:
        decoded = client.make(ConsumerProtocolMemberAssignment.decode, data)
        yield from (TopicPartition(*at) for at in decoded.partitions())


def _check(code: int) -> None:
    error = for_code(code)
    if error is not NoError:
        raise error(f"the coordinator of a group answers {error.__name__}")
