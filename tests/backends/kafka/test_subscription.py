"""Memberships of a real group."""

import asyncio
import re
from collections.abc import Collection
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import CommitFailedError
from aiokafka.protocol.group import LeaveGroupRequest
from tests.backends.kafka.members import Listener, backend, connections, fresh, member, read, until

from partita.backends.kafka.subscription import KafkaSubscription
from partita.core.errors import Closed, TopicMissing
from partita.core.ports import Commit, Membership, Outgoing, TopicPartition


def test_a_missing_topic_is_refused_by_name_before_joining(kafka: str) -> None:
    """Nothing is made in its place, and no connection stays."""

    async def scenario() -> None:
        there, missing = fresh("there"), fresh("missing")
        async with backend(kafka) as used:
            await used.create_topic(there, partitions=1, replication=1)
            membership = Membership(fresh("group"), topics=frozenset({there, missing}))

            with pytest.raises(TopicMissing, match=missing):
                await used.subscription(membership).start(Listener())

            assert missing not in await used.list_topics()

    asyncio.run(scenario())


def test_two_members_share_partitions_and_the_first_gives_up_in_good_order(kafka: str) -> None:
    """What is revoked can still be committed until the revocation returns; nothing comes twice."""

    async def scenario() -> None:
        topic, group = fresh("share"), fresh("group")
        async with backend(kafka) as used:
            await used.create_topic(topic, partitions=4, replication=1)
            for n in range(40):
                await used.publisher.publish(topic, Outgoing(b"%d" % n, partition=n % 4))
            first, second = used.subscription(member(topic, group)), used.subscription(member(topic, group))
            errors: dict[TopicPartition, Exception] = {}

            async def drain(partitions: Collection[TopicPartition]) -> None:
                errors.update(await first.commit(dict.fromkeys(partitions, Commit(10))))

            one, two = Listener(drain), Listener()
            await first.start(one)
            seen = await read(first, 40)
            await second.start(two)
            polls = asyncio.ensure_future(polling(first))
            await until(lambda: len(one.owned) == len(two.owned) == 2)
            for n in range(4):
                await used.publisher.publish(topic, Outgoing(b"new", partition=n))
            fresh_ones = await read(second, 2)
            polls.cancel()

            assert len(seen) == 40
            assert not errors
            assert one.names() == ["assigned", "revoked", "assigned"]
            assert one.owned | two.owned == {TopicPartition(topic, n) for n in range(4)}
            assert [record.value for record in fresh_ones] == [b"new", b"new"]

    asyncio.run(scenario())


async def polling(subscription: KafkaSubscription) -> None:
    """Poll for ever, as an actor does."""
    while True:
        await subscription.poll((), 0.1)


async def throw_out(address: str, group: str) -> None:
    """Take every member out of a group behind its back."""
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()  # type: ignore[no-untyped-call]
    described: list[Any] = await admin.describe_consumer_groups([group])
    for member_id, *_ in described[0].groups[0][5]:
        await admin._send_request(LeaveGroupRequest(group, member_id))
    await admin.close()  # type: ignore[no-untyped-call]


def test_a_membership_that_the_broker_ended_is_lost_not_revoked(kafka: str) -> None:
    """Its partitions may be another's already, so nothing is committed for them; then it joins anew."""

    async def scenario() -> None:
        topic, group = fresh("lost"), fresh("group")
        async with backend(kafka, heartbeat_interval_ms="200") as used:
            await used.create_topic(topic, partitions=1, replication=1)
            await used.publisher.publish(topic, Outgoing(b"x"))
            subscription, listener = used.subscription(member(topic, group)), Listener()
            await subscription.start(listener)
            await read(subscription, 1)

            await throw_out(kafka, group)
            await read(subscription, 1)

            assert listener.names() == ["assigned", "lost", "assigned"]

    asyncio.run(scenario())


def test_a_new_member_goes_on_exactly_where_the_last_one_committed(kafka: str) -> None:
    """A closed member leaves the group at once, so the next need not wait for its session."""

    async def scenario() -> None:
        topic, group = fresh("resume"), fresh("group")
        async with backend(kafka) as used:
            await used.create_topic(topic, partitions=1, replication=1)
            for n in range(20):
                await used.publisher.publish(topic, Outgoing(b"%d" % n))
            first = used.subscription(member(topic, group))
            await first.start(Listener())
            await read(first, 20)
            assert not await first.commit({TopicPartition(topic, 0): Commit(13)})
            await first.close()
            second = used.subscription(member(topic, group))
            await second.start(Listener())

            records = await read(second, 7, within=20.0)

            assert [int(record.value) for record in records] == list(range(13, 20))

    asyncio.run(scenario())


def test_a_commit_for_a_partition_that_is_not_ours_is_an_outcome_not_an_exception(kafka: str) -> None:
    """Each such partition has the client's own error; the others are stored."""

    async def scenario() -> None:
        topic = fresh("foreign")
        async with backend(kafka) as used:
            await used.create_topic(topic, partitions=1, replication=1)
            await used.publisher.publish(topic, Outgoing(b"x"))
            subscription = used.subscription(member(topic))
            await subscription.start(Listener())
            await read(subscription, 1)
            ours, foreign = TopicPartition(topic, 0), TopicPartition(topic, 7)

            errors = await subscription.commit({ours: Commit(1), foreign: Commit(1)})

            assert set(errors) == {foreign}
            assert isinstance(errors[foreign], CommitFailedError)

    asyncio.run(scenario())


def test_latest_skips_what_was_there_and_earliest_does_not(kafka: str) -> None:
    """Where a group without a commit begins is the membership's choice."""

    async def scenario() -> None:
        topic = fresh("start")
        async with backend(kafka) as used:
            await used.create_topic(topic, partitions=1, replication=1)
            await used.publisher.publish(topic, Outgoing(b"old"))
            late = used.subscription(member(topic, start="latest"))
            early = used.subscription(member(topic))
            await late.start(Listener())
            await early.start(Listener())
            assert await late.unread() == {TopicPartition(topic, 0): 0}
            await used.publisher.publish(topic, Outgoing(b"new"))

            assert [record.value for record in await read(late, 1)] == [b"new"]
            assert [record.value for record in await read(early, 2)] == [b"old", b"new"]

    asyncio.run(scenario())


def test_names_and_patterns_make_one_membership(kafka: str) -> None:
    """A pattern matches whole names only, whatever its flags."""

    async def scenario() -> None:
        mark = fresh("m")
        names = [f"{mark}.orders", f"{mark}.ORDERS.x", f"{mark}.other", f"{mark}.orders.x.y"]
        async with backend(kafka) as used:
            for name in names:
                await used.create_topic(name, partitions=1, replication=1)
            patterns = (
                re.compile(rf"{re.escape(mark)}\.(?P<n>orders)\.x", re.IGNORECASE),
                re.compile(rf"(?P<n>none)|{re.escape(mark)}\.ord"),
            )
            membership = Membership(
                fresh("group"), topics=frozenset({names[0]}), patterns=patterns, name="tests"
            )
            subscription, listener = used.subscription(membership), Listener()
            await subscription.start(listener)
            await until(lambda: bool(listener.owned))

            assert {each.topic for each in listener.owned} == {names[0], names[1]}

    asyncio.run(scenario())


def test_a_topic_made_later_joins_its_pattern_and_what_was_read_stays_committed(kafka: str) -> None:
    """The client replaces its subscription then; the commit of the revocation still counts."""

    async def scenario() -> None:
        mark = fresh("grow")
        async with backend(kafka, metadata_max_age_ms="500") as used:
            await used.create_topic(f"{mark}.a", partitions=1, replication=1)
            await used.publisher.publish(f"{mark}.a", Outgoing(b"1"))
            pattern = re.compile(re.escape(mark) + r"\..*")
            membership = Membership(fresh("group"), patterns=(pattern,), name="tests")
            subscription = used.subscription(membership)
            errors: dict[TopicPartition, Exception] = {}

            async def drain(partitions: Collection[TopicPartition]) -> None:
                errors.update(await subscription.commit(dict.fromkeys(partitions, Commit(1))))

            listener = Listener(drain)
            await subscription.start(listener)
            first = await read(subscription, 1)
            await used.create_topic(f"{mark}.b", partitions=1, replication=1)
            await used.publisher.publish(f"{mark}.b", Outgoing(b"2"))
            second = await read(subscription, 1)

            assert [record.value for record in first + second] == [b"1", b"2"]
            assert not errors

    asyncio.run(scenario())


def test_a_closed_partition_is_not_handed_out_and_comes_when_it_opens(kafka: str) -> None:
    """Back-pressure leaves the group alone and loses nothing."""

    async def scenario() -> None:
        topic = fresh("gate")
        async with backend(kafka) as used:
            await used.create_topic(topic, partitions=2, replication=1)
            for n in range(2):
                await used.publisher.publish(topic, Outgoing(b"%d" % n, partition=n))
            subscription = used.subscription(member(topic))
            await subscription.start(Listener())
            shut, both = TopicPartition(topic, 0), {TopicPartition(topic, n) for n in range(2)}
            found: list[TopicPartition] = []
            while not found:
                found += [fetch.partition for fetch in await subscription.poll({shut}, 0.2)]
            nothing = await subscription.poll(both, 0.1)
            left = await subscription.unread()
            fetches = list(await subscription.poll((), 5.0))

            assert found == [TopicPartition(topic, 1)]
            assert not nothing
            assert left == {shut: 1, TopicPartition(topic, 1): 0}
            assert [fetch.partition for fetch in fetches] == [shut]
            assert (fetches[0].end_offset, fetches[0].size_bytes) == (1, 1)

    asyncio.run(scenario())


def test_what_arrives_for_a_partition_that_closed_meanwhile_is_kept_until_it_opens(kafka: str) -> None:
    """The client has moved past it and would not give it again."""

    async def scenario() -> None:
        topic = fresh("held")
        async with backend(kafka) as used:
            await used.create_topic(topic, partitions=2, replication=1)
            subscription = used.subscription(member(topic))
            await subscription.start(Listener())
            await subscription.unread()
            shut, other = TopicPartition(topic, 0), TopicPartition(topic, 1)
            asked = asyncio.ensure_future(subscription.poll((), 30.0))
            await asyncio.sleep(0.05)
            asked.cancel()
            await asyncio.wait({asked})
            await used.publisher.publish(topic, Outgoing(b"0", partition=0))
            nothing = await subscription.poll({shut}, 1.5)
            left = await subscription.unread()
            await used.publisher.publish(topic, Outgoing(b"1", partition=1))
            first = list(await subscription.poll({shut}, 5.0))
            second = list(await subscription.poll((), 5.0))

            assert not nothing
            assert left == {shut: 1, other: 0}
            assert [fetch.partition for fetch in first] == [other]
            assert [fetch.partition for fetch in second] == [shut]

    asyncio.run(scenario())


def test_unread_waits_for_the_assignment_and_counts_what_no_poll_has_returned(kafka: str) -> None:
    """It never says zero for want of an assignment."""

    async def scenario() -> None:
        topic = fresh("unread")
        async with backend(kafka) as used:
            await used.create_topic(topic, partitions=2, replication=1)
            for n in range(10):
                await used.publisher.publish(topic, Outgoing(b"%d" % n, partition=n % 2))
            subscription = used.subscription(member(topic))
            await subscription.start(Listener())
            before = await subscription.unread()
            await read(subscription, 10)
            after = await subscription.unread()

            assert sorted(before.values()) == [5, 5]
            assert sorted(after.values()) == [0, 0]

    asyncio.run(scenario())


def test_publishing_and_one_membership_take_four_connections(kafka: str) -> None:
    """Producer one, group consumer two, admin one; none is left after closing."""

    async def scenario() -> None:
        topic = fresh("sockets")
        async with backend(kafka) as used:
            await used.create_topic(topic, partitions=4, replication=1)
            await used.publisher.publish(topic, Outgoing(b"x"))
            subscription = used.subscription(member(topic))
            await subscription.start(Listener())
            await read(subscription, 1)
            await used.ping()
            during = connections(kafka)

        assert during == 4
        await until(lambda: connections(kafka) == 0)

    asyncio.run(scenario())


def test_a_closed_subscription_answers_no_call_and_a_waiting_poll_returns(kafka: str) -> None:
    """The client's own poll would hang for ever then."""

    async def scenario() -> None:
        topic = fresh("closed")
        async with backend(kafka) as used:
            await used.create_topic(topic, partitions=1, replication=1)
            subscription = used.subscription(member(topic))
            await subscription.start(Listener())
            waiting = asyncio.ensure_future(subscription.poll((), 30.0))
            await asyncio.sleep(0.05)
            await subscription.close()
            await subscription.close()

            assert not await asyncio.wait_for(waiting, 10.0)
            with pytest.raises(Closed):
                await subscription.poll((), 0.1)
            with pytest.raises(Closed):
                await subscription.start(Listener())

    asyncio.run(scenario())
