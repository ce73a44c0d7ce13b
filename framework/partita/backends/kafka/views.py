"""How the broker sees a member of a group: its topics and the group's assignment, over the admin client."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import NoError, for_code

from partita.backends.kafka import client
from partita.backends.kafka.admin import KafkaAdmin
from partita.backends.kafka.rebalance import Matcher
from partita.core.ports import Membership, TopicPartition
from partita.core.views import BrokerView

TOPICS_SECONDS = 4.0
_IN_FORCE = "Stable"


@attrs.define(eq=False)
class GroupViews:
    """
    Asks for all members of one backend.

    Args:
        admin: the connection.
    """

    admin: KafkaAdmin
    _topics: Mapping[str, int] = attrs.field(factory=dict, init=False)
    _asked_at: float = attrs.field(default=float("-inf"), init=False)

    async def of(self, membership: Membership, member_id: str) -> BrokerView:
        """
        How the broker sees one member; what is unread is not asked here.

        A broker that does not describe the group to this client has not settled anything.

        Raises:
            Exception: the client's own error.
        """
        topics = await self._there()
        missing = membership.topics - topics.keys()
        group = await self.admin.described_group(membership.group)
        if for_code(group["error_code"]) is not NoError or group["state"] != _IN_FORCE:
            return BrokerView(settled=False, missing=missing)
        owned = {each["member_id"]: frozenset(_assigned(each)) for each in group["members"]}
        matcher = Matcher(membership)
        read = {
            TopicPartition(topic, number)
            for topic, partitions in topics.items()
            if matcher.match(topic)
            for number in range(partitions)
        }
        orphans = read.difference(*owned.values())
        return BrokerView(True, owned.get(member_id, frozenset()), frozenset(orphans), missing=missing)

    async def _there(self) -> Mapping[str, int]:
        """The broker's topics, asked for once for all members that want to know at about the same time."""
        now = asyncio.get_running_loop().time()
        if now - self._asked_at > TOPICS_SECONDS:
            self._topics, self._asked_at = await self.admin.list_topics(), now
        return self._topics


def _assigned(member: Mapping[str, Any]) -> Iterator[TopicPartition]:
    if member["member_assignment"]:
        assignment = client.make(ConsumerProtocolMemberAssignment.decode, member["member_assignment"])
        yield from (TopicPartition(*at) for at in assignment.partitions())
