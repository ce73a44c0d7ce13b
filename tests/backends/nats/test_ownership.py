"""Who has a partition: shared among members, taken over, committed, and never read twice by one owner."""

import asyncio
import re
from collections import Counter
from itertools import pairwise

import pytest
from nats import connect
from nats.aio.msg import Msg
from nats.js.errors import APIError
from tests.backends.nats.members import DEADLINE, Member, bus, member, publish, topic_on, until
from tests.faults.byte_proxy import ByteProxy

from partita.core.ports import Membership, TopicPartition

SHORT_PIN = {"pin_timeout": "2"}


def numbered(count: int) -> list[bytes | None]:
    """Different values."""
    return [b"%d" % number for number in range(count)]


def grows(member: Member) -> bool:
    """Whether each partition's offsets were handed over in order and once."""
    return all(a < b for offsets in member.offsets.values() for a, b in pairwise(offsets))


def test_two_members_share_a_topic_and_each_message_goes_to_one(nats: str) -> None:
    """With both members reading, every message is handed over exactly once."""

    async def scenario() -> None:
        async with (
            bus(nats) as backend,
            topic_on(backend, 4) as topic,
            member(backend, topic) as one,
            member(backend, topic) as other,
        ):
            await publish(backend, topic, numbered(400))

            await until(lambda: len(one.values) + len(other.values) >= 400, one, other)

            assert Counter(one.values + other.values) == Counter(numbered(400))
            assert not one.owned & other.owned
            assert len(one.owned | other.owned) == 4

    asyncio.run(scenario())


def test_a_member_that_closes_gives_its_partitions_away_at_once(nats: str) -> None:
    """After a clean close with all committed the other member reads on with no message repeated."""

    async def scenario() -> None:
        async with (
            bus(nats, {"pin_timeout": "600"}) as backend,
            topic_on(backend, 2) as topic,
            member(backend, topic) as first,
        ):
            await publish(backend, topic, numbered(100))
            await first.read(100)
            async with member(backend, topic) as second:
                await first.commit()
                await first.subscription.close()
                await publish(backend, topic, [b"after"] * 10)

                await second.read(10)

                assert second.values == [b"after"] * 10

    asyncio.run(scenario())


def test_unfinished_messages_of_a_closed_member_come_again_though_nothing_new_is_published(nats: str) -> None:
    """The next member gets what was read and not committed, at once."""

    async def scenario() -> None:
        async with (
            bus(nats, {"pin_timeout": "600"}) as backend,
            topic_on(backend) as topic,
            member(backend, topic) as first,
        ):
            await publish(backend, topic, numbered(10))
            await first.read(10)
            async with member(backend, topic) as second:
                at = TopicPartition(topic, 0)
                assert await first.store({at: first.offsets[at][4]}) == {}
                await first.subscription.close()

                await second.read(6)

                assert second.values == numbered(10)[4:]

    asyncio.run(scenario())


def test_a_member_that_vanishes_is_replaced_once_its_pin_times_out(nats: str, proxy: ByteProxy) -> None:
    """A cut connection without a word: the other member reads on exactly after the last commit."""

    async def scenario() -> None:
        async with (
            bus(nats, SHORT_PIN) as backend,
            topic_on(backend) as topic,
            bus(proxy.address, SHORT_PIN) as far,
            member(far, topic) as first,
        ):
            await publish(backend, topic, numbered(20))
            await first.read(20)
            at = TopicPartition(topic, 0)
            assert await first.store({at: first.offsets[at][12]}) == {}
            async with member(backend, topic) as second:
                proxy.down()
                assert await second.subscription.unread() == {at: 8}, "its owner is dead, not alive"

                await until(lambda: len(second.values) >= 8, first, second)

                assert second.values == numbered(20)[12:]
                await until(lambda: not first.owned, first)
                assert ("lost", at) in first.told
                assert set(await first.store(first.next)) == {at}

    asyncio.run(scenario())


def test_a_new_member_resumes_exactly_after_the_commit(nats: str) -> None:
    """Committed offsets outlive all members."""

    async def scenario() -> None:
        async with bus(nats) as backend, topic_on(backend, 3) as topic:
            await publish(backend, topic, numbered(90))
            async with member(backend, topic) as first:
                await first.read(90)
                offsets = {at: numbers[10] for at, numbers in first.offsets.items()}
                assert await first.store(offsets) == {}
                expected = {at: numbers[10:] for at, numbers in first.offsets.items()}

            async with member(backend, topic) as second:
                await second.read(60)

                assert second.offsets == expected

    asyncio.run(scenario())


def test_a_cut_connection_neither_repeats_nor_loses_a_message_for_the_same_owner(
    nats: str, proxy: ByteProxy
) -> None:
    """After each reconnect the owner reads on where it was, though nothing was committed."""

    async def scenario() -> None:
        async with (
            bus(nats) as backend,
            topic_on(backend) as topic,
            bus(proxy.address) as far,
            member(far, topic) as reader,
        ):
            for turn in range(4):
                await publish(backend, topic, [b"%d" % (turn * 500 + n) for n in range(500)])
                proxy.reset()
                await reader.read(turn * 500 + 500)

            assert reader.values == numbered(2000)
            assert grows(reader)
            assert reader.told == [("assigned", TopicPartition(topic, 0))]
            await until_committed(reader)

    asyncio.run(scenario())


async def until_committed(reader: Member) -> None:
    """Commit, also when the consumer has just been reset and its messages are still to come again."""
    async with asyncio.timeout(DEADLINE):
        while await reader.store(reader.next):
            await reader.poll()


def test_a_late_ack_of_a_former_owner_does_not_stand_in_the_way_for_long(nats: str) -> None:
    """The server ignores acks after one with a higher delivery number; the floor still gets where it must."""

    async def scenario() -> None:
        async with (
            bus(nats) as backend,
            topic_on(backend) as topic,
            member(backend, topic) as first,
        ):
            await publish(backend, topic, numbered(20))
            await first.read(20)
            stale = first.records[10]
            await first.subscription.close()
            async with member(backend, topic) as second:
                await second.read(20)
                await second.store({TopicPartition(topic, 0): second.next[TopicPartition(topic, 0)] - 15})
                await acknowledge(nats, stale)

                await until_committed(second)

                assert second.values == numbered(20)
            async with member(backend, topic) as third:
                await publish(backend, topic, [b"new"])
                await third.read(1)
                assert third.values == [b"new"]

    asyncio.run(scenario())


async def acknowledge(address: str, record: object) -> None:
    """What a former owner sends that does not know better."""
    assert isinstance(record, Msg)
    client = await connect(f"nats://{address}")
    await client.request(record.reply, timeout=2)
    await client.close()


def test_a_closed_partition_is_kept_and_what_waits_for_it_is_bounded(nats: str) -> None:
    """A member that takes nothing for longer than the pin's time still owns the partition."""

    async def scenario() -> None:
        async with (
            bus(nats, SHORT_PIN) as backend,
            topic_on(backend) as topic,
            member(backend, topic) as owner,
            member(backend, topic) as other,
        ):
            await publish(backend, topic, [b"first"])
            await until(lambda: bool(owner.owned or other.owned), owner, other)
            has, waits = (owner, other) if owner.owned else (other, owner)
            big = bytes(100_000)
            await publish(backend, topic, [big] * 150)
            loop = asyncio.get_running_loop()
            end = loop.time() + 5
            while loop.time() < end:
                await has.poll(closed=has.owned)
                await waits.poll()

            held = sum(reading.lane.buffered for reading in has.subscription.readings)
            await has.read(151)

            assert held < 8 * 1024 * 1024
            assert not waits.values
            assert has.told == [("assigned", TopicPartition(topic, 0))]

    asyncio.run(scenario())


def test_unread_counts_what_is_ours_or_nobodys_and_not_what_another_has(nats: str) -> None:
    """Zero means that nothing is left for this member."""

    async def scenario() -> None:
        async with bus(nats) as backend, topic_on(backend) as topic:
            at = TopicPartition(topic, 0)
            async with member(backend, topic) as one, member(backend, topic) as other:
                assert await one.subscription.unread() == {at: 0}
                await publish(backend, topic, numbered(5))
                await until(lambda: len(one.values) + len(other.values) >= 5, one, other)
                has, waits = (one, other) if one.owned else (other, one)

                assert await has.subscription.unread() == {at: 0}
                assert await waits.subscription.unread() == {at: 0}

    asyncio.run(scenario())


def test_a_pattern_reads_the_topics_that_it_matches_as_a_whole(nats: str) -> None:
    """A topic whose name only begins like it is left out."""

    async def scenario() -> None:
        async with bus(nats) as backend, topic_on(backend) as topic, topic_on(backend) as other:
            pattern = re.compile(re.escape(topic[:-1]) + ".")
            reader = Member(backend.subscription(Membership("g", patterns=(pattern,))))
            await reader.subscription.start(reader)
            await publish(backend, other, [b"not this"])
            await publish(backend, topic, [b"this"])

            await reader.read(1)

            assert reader.values == [b"this"]
            assert [at.topic for at in await reader.subscription.unread()] == [topic]
            await reader.subscription.close()

    asyncio.run(scenario())


def test_a_deleted_consumer_makes_poll_raise_the_clients_error(nats: str) -> None:
    """Nobody waits silently for messages that cannot come."""

    async def scenario() -> None:
        async with bus(nats) as backend, topic_on(backend) as topic, member(backend, topic) as reader:
            await publish(backend, topic, [b"x"])
            await reader.read(1)
            await backend.delete_topic(topic)

            with pytest.raises(APIError):
                await until(lambda: False, reader)
            await backend.create_topic(topic, partitions=1, replication=1)

    asyncio.run(scenario())
