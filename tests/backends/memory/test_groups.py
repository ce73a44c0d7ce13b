"""Group semantics in memory: rebalances, generations, and messages neither lost nor repeated."""

import asyncio
import re
from collections import Counter
from collections.abc import Collection

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulated import pass_time, run

from partita.backends.memory import MemoryBackend, MemoryBroker
from partita.backends.memory.groups import REBALANCE_TIMEOUT
from partita.backends.memory.subscription import MemorySubscription
from partita.core.ports import Commit, Membership, Outgoing, TopicPartition

P = [TopicPartition("orders", number) for number in range(4)]


class Reader:
    """A member that reads by hand and commits what it has read when it is revoked."""

    def __init__(self, broker: MemoryBroker, membership: Membership) -> None:
        self.broker = broker
        self.subscription = MemorySubscription(broker, membership)
        self.owned: set[TopicPartition] = set()
        self.lost_partitions: set[TopicPartition] = set()
        self.read: list[tuple[TopicPartition, bytes | None]] = []
        self.positions: dict[TopicPartition, int] = {}
        self.goodbye = 0.0

    def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """Ours from now on."""
        self.owned.update(partitions)
        self.positions.clear()

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Commit, and take *goodbye* seconds for it."""
        await pass_time(self.goodbye)
        await self.commit(partitions)
        self.owned.difference_update(partitions)

    def lost(self, partitions: Collection[TopicPartition]) -> None:
        """Somebody else's already."""
        self.owned.difference_update(partitions)
        self.lost_partitions.update(partitions)

    async def commit(self, partitions: Collection[TopicPartition]) -> bool:
        """Commit what was read; whether it was stored."""
        offsets = {at: self.positions[at] for at in partitions if at in self.positions}
        commits = {at: Commit(offset) for at, offset in offsets.items()}
        return not commits or not await self.subscription.commit(commits)

    async def join(self) -> "Reader":
        """Join, and wait for the assignment."""
        await self.subscription.start(self)
        await self.subscription.unread()
        return self

    async def take(self) -> None:
        """Read what there is."""
        reader = MemoryBackend(self.broker, "memory://").reader
        for fetch in await self.subscription.poll((), 0.01):
            self.read += [(fetch.partition, reader.value(each)) for each in fetch.records]
            self.positions[fetch.partition] = fetch.end_offset

    async def leave(self) -> None:
        """Commit and leave in good order."""
        await self.commit(self.owned)
        await self.subscription.close()


def orders(start: str = "earliest") -> Membership:
    """A membership of one topic."""
    return Membership("billing", frozenset({"orders"}), start=start)


def filled(messages: int, partitions: int = 4) -> MemoryBroker:
    """A broker with *messages* in each partition of orders, each with a value of its own."""
    broker = MemoryBroker(partitions)
    for number in range(partitions):
        for each in range(messages):
            broker.append("orders", Outgoing(b"%d/%d" % (number, each), partition=number))
    return broker


def test_members_share_the_partitions() -> None:
    """Each partition has one owner, and the shares are even."""
    broker = filled(1)

    async def scenario() -> None:
        first = await Reader(broker, orders()).join()
        assert first.owned == set(P)
        second = await Reader(broker, orders()).join()
        assert len(first.owned) == len(second.owned) == 2
        assert first.owned | second.owned == set(P)
        assert broker.group("billing").members == 2
        await second.leave()
        await first.subscription.unread()
        assert first.owned == set(P)

    run(scenario())


@given(st.lists(st.sampled_from(["join", "leave", "store", "take"]), max_size=40))
@settings(max_examples=40, deadline=None)
def test_no_message_is_lost_or_repeated_when_members_come_and_go_in_good_order(steps: list[str]) -> None:
    """What was committed before a rebalance is not read again after it, and nothing falls between."""
    broker = filled(3)
    readers, gone = list[Reader](), list[Reader]()

    async def step(name: str, number: int) -> None:
        if name == "join" or not readers:
            readers.append(await Reader(broker, orders()).join())
        elif name == "leave":
            gone.append(readers.pop(number % len(readers)))
            await gone[-1].leave()
        elif name == "store":
            broker.append("orders", Outgoing(b"new %d" % number))
        else:
            await readers[number % len(readers)].take()

    async def scenario() -> None:
        for number, name in enumerate([*steps, "join"]):
            await step(name, number)
        for reader in readers:
            await reader.subscription.unread()
            await reader.take()

    run(scenario())

    read = [value for reader in [*gone, *readers] for _, value in reader.read]
    stored = [record.value for at in P for record in broker.log(at)]
    assert Counter(read) == Counter(stored)


def test_a_commit_of_an_earlier_generation_is_refused() -> None:
    """A member that is behind must not move what others own now."""
    broker = filled(10)

    async def scenario() -> None:
        first = await Reader(broker, orders()).join()
        await first.take()
        first.subscription.give([], generation=0)
        refused = await first.subscription.commit({P[0]: Commit(5)})
        assert list(refused) == [P[0]]
        assert "has moved on to generation 1" in str(refused[P[0]])
        assert P[0] not in broker.group("billing").committed

    run(scenario())


def test_a_member_that_left_commits_nothing() -> None:
    """Not even when nobody else came."""
    broker = filled(10)

    async def scenario() -> None:
        reader = await Reader(broker, orders()).join()
        await reader.take()
        await reader.subscription.close()
        await reader.subscription.close()
        assert not await reader.commit(P)

    run(scenario())


def test_a_member_that_does_not_give_up_in_time_loses_its_partitions() -> None:
    """One that hangs must not stop the group for ever."""
    broker = filled(10)

    async def scenario() -> float:
        slow = await Reader(broker, orders()).join()
        slow.goodbye = 2 * REBALANCE_TIMEOUT
        await slow.take()
        quick = await Reader(broker, orders()).join()
        assert slow.lost_partitions == set(P) == quick.owned
        assert not await slow.commit(P)
        return asyncio.get_running_loop().time()

    seconds, _ = run(scenario())

    assert REBALANCE_TIMEOUT <= seconds < REBALANCE_TIMEOUT + 1


def test_a_slow_member_that_leaves_while_it_is_revoked_does_not_stop_the_group() -> None:
    """It is gone twice: by its own word, and by the deadline."""
    broker = filled(10)

    async def scenario() -> None:
        slow = await Reader(broker, orders()).join()
        slow.goodbye = 2 * REBALANCE_TIMEOUT
        async with asyncio.TaskGroup() as tasks:
            joining = tasks.create_task(Reader(broker, orders()).join())
            await pass_time(1)
            await slow.subscription.close()
        assert joining.result().owned == set(P)

    run(scenario())


def test_latest_begins_where_the_group_first_looked_and_stays_there() -> None:
    """What comes between two memberships is not skipped."""
    broker = filled(10, partitions=1)

    async def scenario() -> None:
        first = await Reader(broker, orders(start="latest")).join()
        await first.take()
        assert first.read == []
        await first.subscription.close()
        broker.append("orders", Outgoing(b"between"))
        second = await Reader(broker, orders(start="latest")).join()
        await second.take()
        assert [value for _, value in second.read] == [b"between"]

    run(scenario())


def test_earliest_begins_at_the_first_message_and_goes_on_at_the_commit() -> None:
    """A group without a commit must not lose what is there."""
    broker = filled(3, partitions=1)

    async def scenario() -> None:
        for expected in (3, 0):
            reader = await Reader(broker, orders()).join()
            await reader.take()
            assert len(reader.read) == expected
            await reader.leave()

    run(scenario())


def test_a_pattern_takes_up_topics_that_come_later() -> None:
    """And lets go of those that are deleted."""
    broker = MemoryBroker(1)
    membership = Membership("billing", patterns=(re.compile(r"views\..*"),))

    async def scenario() -> None:
        reader = await Reader(broker, membership).join()
        assert not reader.owned
        for topic in ("views.eu", "views.us", "viewsXeu"):
            broker.create(topic, 1)
        await reader.subscription.unread()
        assert reader.owned == {TopicPartition("views.eu", 0), TopicPartition("views.us", 0)}
        broker.delete("views.eu")
        await reader.subscription.unread()
        assert reader.owned == {TopicPartition("views.us", 0)}

    run(scenario())


def test_a_topic_that_is_made_anew_is_read_from_its_first_message() -> None:
    """The last commit for the old one must not hide what is in the new one."""
    broker = filled(10, partitions=1)

    async def scenario() -> None:
        reader = await Reader(broker, orders()).join()
        await reader.take()
        broker.delete("orders")
        await reader.subscription.unread()
        broker.append("orders", Outgoing(b"new"))
        await reader.subscription.unread()
        reader.read.clear()
        await reader.take()
        assert [value for _, value in reader.read] == [b"new"]

    run(scenario())


def test_a_topic_that_a_group_does_not_read_is_no_reason_to_rebalance() -> None:
    """A handler that publishes to a new topic must not lose its own partitions for it."""
    broker = filled(1)

    async def scenario() -> None:
        reader = await Reader(broker, orders()).join()
        generation = broker.group("billing").generation
        broker.append("bills", Outgoing(b"1"))
        await reader.subscription.unread()
        assert broker.group("billing").generation == generation

    run(scenario())


def test_groups_do_not_share() -> None:
    """Each has every message."""
    broker = filled(5)

    async def scenario() -> None:
        for group in ("a", "b"):
            reader = await Reader(broker, Membership(group, frozenset({"orders"}))).join()
            await reader.take()
            assert len(reader.read) == 20

    run(scenario())
