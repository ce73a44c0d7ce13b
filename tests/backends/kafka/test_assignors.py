"""How members share partitions: without a broker, over many histories, and in a real group."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import attrs
import pytest
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from aiokafka.structs import TopicPartition as KafkaPartition
from tests.backends.kafka.members import Listener, backend, fresh, member, until
from tests.backends.kafka.test_subscription import polling

from partita.backends.kafka.assignors import sticky_assignor
from partita.backends.kafka.backend import KafkaBackend
from partita.backends.kafka.coordination import tell_the_generation
from partita.backends.kafka.settings import kafka_settings
from partita.backends.kafka.subscription import KafkaSubscription
from partita.core.ports import TopicPartition

HISTORIES = 300


@attrs.frozen
class Cluster:
    """What an assignor asks of a cluster: the number of each topic's partitions."""

    sizes: Mapping[str, int]

    def topics(self, exclude_internal_topics: bool = True) -> set[str]:
        """All of them; those with two underscores in front are internal."""
        return {each for each in self.sizes if not (exclude_internal_topics and each.startswith("__"))}

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """Their numbers."""
        return set(range(self.sizes[topic])) if topic in self.sizes else None


@attrs.define
class Member:
    """One consumer's assignor, and what it reads."""

    topics: Sequence[str]
    assignor: type[StickyPartitionAssignor] = attrs.field(factory=sticky_assignor)
    owned: frozenset[KafkaPartition] = frozenset()


class Group:
    """
    A group without a broker: each `rebalance` is a join of all its members.

    Args:
        cluster: the topics.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.members: dict[str, Member] = {}
        self._generation = 0

    def rebalance(self, missing: str | None = None) -> None:
        """All join and are told what they own; *missing* is not told, as one that was frozen meanwhile."""
        self._generation += 1
        joined = {name: each.assignor.metadata(each.topics).encode() for name, each in self.members.items()}
        leader = random.Random(self._generation).choice(list(self.members.values()))
        decoded = {name: ConsumerProtocolMemberMetadata.decode(each) for name, each in joined.items()}
        answer = leader.assignor.assign(self.cluster, decoded)  # type: ignore[arg-type]
        for name, each in self.members.items():
            told = ConsumerProtocolMemberAssignment.decode(answer[name].encode())
            each.owned = frozenset(told.partitions())
            if name != missing:
                each.assignor.on_generation_assignment(self._generation)
                each.assignor.on_assignment(told)

    @property
    def owners(self) -> Mapping[KafkaPartition, str]:
        """Who owns what; fails when two do."""
        counts = Counter(at for each in self.members.values() for at in each.owned)
        assert set(counts.values()) <= {1}
        return {at: name for name, each in self.members.items() for at in each.owned}


def fewest_moves(before: Mapping[KafkaPartition, str], group: Group) -> int:
    """How many partitions must change hands so that no two members differ by more than one."""
    total = sum(group.cluster.sizes.values())
    quota, larger = divmod(total, len(group.members))
    kept_by = Counter(name for name in before.values() if name in group.members)
    held = sorted((kept_by[name] for name in group.members), reverse=True)
    return total - sum(min(each, quota + (at < larger)) for at, each in enumerate(held))


def test_a_join_or_leave_moves_no_more_than_balance_asks_for() -> None:
    """Over many histories of joins and leaves every partition that may stay with its owner does."""
    for seed in range(HISTORIES):
        chance = random.Random(seed)
        group = Group(Cluster({f"t{n}": chance.randint(1, 12) for n in range(chance.randint(1, 4))}))
        for step in range(chance.randint(2, 8)):
            before = group.owners
            if len(group.members) > 1 and chance.random() < 0.4:
                del group.members[chance.choice(list(group.members))]
            else:
                group.members[f"m{step}"] = Member(list(group.cluster.sizes))
            fewest = fewest_moves(before, group)
            group.rebalance()
            sizes = [len(each.owned) for each in group.members.values()]

            moved = sum(before.get(at) != name for at, name in group.owners.items())
            assert (moved, max(sizes) - min(sizes) <= 1) == (fewest, True), f"seed {seed}, step {step}"


def test_every_partition_goes_to_one_member_that_reads_its_topic() -> None:
    """Also when members read different topics, change them, or missed a rebalance and claim what is gone."""
    for seed in range(HISTORIES):
        chance = random.Random(seed)
        topics = [f"t{n}" for n in range(chance.randint(2, 5))]
        group = Group(Cluster({each: chance.randint(1, 8) for each in topics}))
        for step in range(chance.randint(2, 9)):
            if len(group.members) > 1 and chance.random() < 0.3:
                del group.members[chance.choice(list(group.members))]
            else:
                group.members[f"m{step}"] = Member(chance.sample(topics, chance.randint(1, len(topics))))
            chance.choice(list(group.members.values())).topics = chance.sample(topics, 1)
            group.rebalance(missing=chance.choice([*group.members, None]))

            read = {topic for each in group.members.values() for topic in each.topics}
            assert {at.topic for at in group.owners} == read, f"seed {seed}, step {step}"
            assert all(at.topic in group.members[name].topics for at, name in group.owners.items())
            assert len(group.owners) == sum(group.cluster.sizes[each] for each in read)


def test_a_claim_that_a_newer_one_has_overtaken_counts_for_nothing() -> None:
    """Who slept through a rebalance takes nothing from those who own it now."""
    group = Group(Cluster({"t": 6}))
    group.members["sleeper"] = Member(["t"])
    group.rebalance()
    sleeper = group.members.pop("sleeper")
    group.members.update(a=Member(["t"]), b=Member(["t"]))
    group.rebalance()
    before = group.owners

    group.members["sleeper"] = sleeper
    group.rebalance()

    moved = {at for at, name in group.owners.items() if before[at] != name}
    assert len(moved) == 2
    assert {group.owners[at] for at in moved} == {"sleeper"}


def test_an_internal_topic_can_be_read_and_unread_topics_change_nothing() -> None:
    """Whoever names an internal topic gets it; the topics of other groups are not looked at."""
    group = Group(Cluster({"__mine": 4, "other": 50}))
    group.members.update(a=Member(["__mine"]), b=Member(["__mine"]))

    group.rebalance()

    assert Counter(group.owners.values()) == {"a": 2, "b": 2}


def test_the_metadata_of_a_stranger_is_not_believed() -> None:
    """What cannot be read counts as no claim, and the group is shared out all the same."""
    assignor = sticky_assignor()
    stranger = ConsumerProtocolMemberMetadata(0, ["t"], b"\xff\x00nonsense")
    known = assignor.metadata(["t"])

    answer = assignor.assign(Cluster({"t": 4}), {"stranger": stranger, "known": known})  # type: ignore[arg-type]

    assert {len(each.partitions()) for each in answer.values()} == {2}


@pytest.mark.parametrize("name", ["sticky", "range", "roundrobin"])
def test_the_chosen_assignor_has_its_name_on_the_wire(name: str) -> None:
    """Other clients of the group, in whatever language, must find the same name."""
    settings = kafka_settings("kafka://h:1", {"partition_assignment_strategy": name})

    chosen = settings.consumer(member("t"))["partition_assignment_strategy"]

    assert [each.name for each in chosen] == [name]


def test_each_consumer_has_a_memory_of_its_own_and_sticky_is_the_default() -> None:
    """The client's own assignor keeps one memory for the whole process (aiokafka issue 1175)."""
    settings = kafka_settings("kafka://h:1", {})
    one, two = (settings.consumer(member("t"))["partition_assignment_strategy"][0] for _ in range(2))

    one.on_assignment(ConsumerProtocolMemberAssignment(0, [("t", [0])], b""))

    assert one.name == "sticky"
    assert (one.member_assignment, two.member_assignment) == ([KafkaPartition("t", 0)], None)
    assert StickyPartitionAssignor.member_assignment is None


def test_the_assignor_is_told_the_generation_before_its_partitions() -> None:
    """By it the next leader tells a newer claim from an older one; the client tells nobody (issue 1176)."""
    assignor = sticky_assignor()
    seen: list[int] = []

    async def joined(generation: int, member_id: str, protocol: str, assignment: bytes) -> None:
        seen.append(assignor.generation)

    coordinator = SimpleNamespace(_on_join_complete=joined, _lookup_assignor={"sticky": assignor}.get)

    tell_the_generation(SimpleNamespace(_coordinator=coordinator))
    asyncio.run(coordinator._on_join_complete(7, "me", "sticky", b""))

    assert seen == [7]


def test_a_join_and_a_leave_in_a_real_group_move_what_they_must_and_no_more(kafka: str) -> None:
    """Eight partitions, one process: 1, 2, 3 members and 2 again; what may stay with its owner stays."""

    async def scenario() -> None:
        topic = fresh("sticky")
        async with backend(kafka, heartbeat_interval_ms="200") as used:
            await used.create_topic(topic, partitions=8, replication=1)
            group = RealGroup(used, topic)

            alone = await group.join(sizes=[8])
            pair = await group.join(sizes=[4, 4])
            three = await group.join(sizes=[2, 3, 3])
            left = await group.leave(0, sizes=[4, 4])

            await group.end()

            assert moved(alone, pair) == 4
            assert moved(pair, three) == 2
            assert moved(three, left) == sum(owner == 0 for owner in three.values())

    asyncio.run(scenario())


def moved(before: Mapping[TopicPartition, int], after: Mapping[TopicPartition, int]) -> int:
    """How many partitions changed hands."""
    return sum(before[at] != owner for at, owner in after.items())


class RealGroup:
    """
    Members of one group in this process, all polling.

    Args:
        used: makes them.
        topic: what they read.
    """

    def __init__(self, used: KafkaBackend, topic: str) -> None:
        self._used = used
        self._membership = member(topic)
        self._listeners: dict[int, Listener] = {}
        self._running: dict[int, tuple[KafkaSubscription, asyncio.Task[None]]] = {}

    async def join(self, sizes: Sequence[int]) -> Mapping[TopicPartition, int]:
        """One more member; returns who owns what when each owns as many as *sizes* says, in any order."""
        number, subscription = len(self._listeners), self._used.subscription(self._membership)
        self._listeners[number] = Listener()
        await subscription.start(self._listeners[number])
        self._running[number] = subscription, asyncio.ensure_future(polling(subscription))
        return await self._settled(sizes)

    async def leave(self, number: int, sizes: Sequence[int]) -> Mapping[TopicPartition, int]:
        """One member less; returns who owns what."""
        del self._listeners[number]
        subscription, polls = self._running.pop(number)
        polls.cancel()
        await subscription.close()
        return await self._settled(sizes)

    async def end(self) -> None:
        """All leave."""
        for _, polls in self._running.values():
            polls.cancel()
        await asyncio.gather(*[each.close() for each, _ in self._running.values()])

    async def _settled(self, sizes: Sequence[int]) -> Mapping[TopicPartition, int]:
        await until(lambda: sorted(len(each.owned) for each in self._listeners.values()) == sorted(sizes))
        return {at: number for number, each in self._listeners.items() for at in each.owned}
