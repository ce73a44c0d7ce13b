"""
Groups as a broker keeps them: members, generations, rebalances and committed offsets.

A join, a leave or a new topic starts a rebalance: the generation grows, every member gives up all it has
(as Kafka's eager protocol has it) and is given its share of the new assignment. A member that does not
give up in time is thrown out, and its commits are refused from then on.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from partita.core.ports import AssignmentListener, Commit, Membership, TopicPartition
from partita.core.views import BrokerView

REBALANCE_TIMEOUT = 60.0
_log = logging.getLogger("partita.memory")


class Member(Protocol):
    """A subscription, as its group sees it."""

    membership: Membership
    listener: AssignmentListener

    @property
    def owned(self) -> Collection[TopicPartition]:
        """What the member has."""
        ...

    def give(self, partitions: Sequence[TopicPartition], generation: int) -> None:
        """These are the member's now, and only these."""
        ...

    @property
    def partitions(self) -> Collection[TopicPartition]:
        """What the member has."""
        ...

    def take_back(self) -> Sequence[TopicPartition]:
        """Hand out nothing more; returns what the member had."""
        ...


class Group:
    """
    One consumer group.

    Args:
        name: its name.
        topics: tells the broker's topics and their numbers of partitions.
    """

    def __init__(self, name: str, topics: Callable[[], Mapping[str, int]]) -> None:
        self.name = name
        self.generation = 0
        self.committed: dict[TopicPartition, Commit] = {}
        self.starts: dict[TopicPartition, int] = {}
        self._topics = topics
        self._members: list[Member] = []
        self._wanted = asyncio.Event()
        self._stable = asyncio.Event()
        self._rebalancing: asyncio.Task[None] | None = None

    @property
    def members(self) -> int:
        """How many members the group has."""
        return len(self._members)

    @property
    def topics(self) -> frozenset[str]:
        """Topics that its members read, and those that it has committed something of."""
        read = {each for each in self._topics() for member in self._members if _reads(member, each)}
        return frozenset(read | {at.topic for at in self.committed})

    @property
    def owned(self) -> frozenset[TopicPartition]:
        """The partitions that members have."""
        return frozenset(at for each in self._members for at in each.owned)

    @property
    def shares(self) -> Sequence[tuple[str, Sequence[TopicPartition]]]:
        """Each member's name and partitions."""
        return [(each.membership.name, sorted(each.owned)) for each in self._members]

    def join(self, member: Member) -> None:
        """Add a member; its share arrives with the rebalance that this starts."""
        self._members.append(member)
        self._rebalance()

    def leave(self, member: Member) -> None:
        """Remove a member that has drained; others take over what it had."""
        if member in self._members:
            self._members.remove(member)
            member.take_back()
            self._rebalance()

    def topics_changed(self, topic: str) -> None:
        """A topic came or went; a group that does not read it is left alone."""
        if any(_reads(each, topic) for each in self._members):
            self._rebalance()

    def forget(self, topic: str) -> None:
        """Drop what was committed for a topic that is gone, and where it was begun."""
        self.committed = {at: each for at, each in self.committed.items() if at.topic != topic}
        self.starts = {at: each for at, each in self.starts.items() if at.topic != topic}

    async def stable(self) -> None:
        """Wait until no rebalance is under way."""
        await self._stable.wait()

    def view(self, member: Member) -> BrokerView:
        """How the group sees one of its members."""
        ours = frozenset(member.partitions) if member in self._members else frozenset()
        had = {at for each in self._members for at in each.partitions}
        topics = self._topics()
        read = (topic for topic in topics if _reads(member, topic))
        there = frozenset(TopicPartition(topic, n) for topic in read for n in range(topics[topic]))
        missing = frozenset(member.membership.topics - topics.keys())
        return BrokerView(self._stable.is_set(), ours, there - had, missing=missing)

    def commit(self, member: Member, generation: int, commits: Mapping[TopicPartition, Commit]) -> bool:
        """Store commits; False when the member is no longer in the group or behind its generation."""
        # During the revocation of a generation its members still commit what they drained.
        if member not in self._members or generation != self.generation:
            return False
        # The last commit of a topic that was deleted meanwhile must not hide what is stored in the next
        # one of that name.
        topics = self._topics()
        self.committed.update({at: each for at, each in commits.items() if at.topic in topics})
        return True

    def _rebalance(self) -> None:
        self._wanted.set()
        # A new event and not the old one cleared: a named broker may outlive the loop it was made on.
        if self._stable.is_set():
            self._stable = asyncio.Event()
        if self._rebalancing is None or self._rebalancing.done():
            self._rebalancing = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while self._wanted.is_set():
            self._wanted.clear()
            await asyncio.gather(*[self._revoke(each) for each in list(self._members)])
            if self._wanted.is_set():
                continue
            self.generation += 1
            for member, share in zip(self._members, self._shares(), strict=True):
                member.give(share, self.generation)
                member.listener.assigned(share)
        self._stable.set()

    async def _revoke(self, member: Member) -> None:
        had = member.take_back()
        if not had:
            return
        try:
            await asyncio.wait_for(member.listener.revoked(had), REBALANCE_TIMEOUT)
        except TimeoutError:
            _log.warning("a member of %s did not give up its partitions in time", self.name)
            if member in self._members:
                self._members.remove(member)
            member.listener.lost(had)

    def _shares(self) -> Sequence[list[TopicPartition]]:
        """Each topic's partitions dealt out in turn to those members that read it."""
        shares: list[list[TopicPartition]] = [[] for _ in self._members]
        turn = 0
        for topic, partitions in sorted(self._topics().items()):
            readers = [s for m, s in zip(self._members, shares, strict=True) if _reads(m, topic)]
            for number in range(partitions if readers else 0):
                readers[turn % len(readers)].append(TopicPartition(topic, number))
                turn += 1
        return shares


def _reads(member: Member, topic: str) -> bool:
    membership = member.membership
    return topic in membership.topics or any(p.fullmatch(topic) for p in membership.patterns)
