"""Rows 81 and 82: offsets that are no messages - compacted away, aborted, or markers of transactions."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from tests.faults.clusters import Broker
from tests.faults.invariants import all_handled, commits_are_safe, in_key_order, repeated
from tests.faults.members import WITHIN, Group, group, until

from partita import Message, Retry, Router
from partita.backends.kafka.client import Client, make

COMPACTED = {"cleanup.policy": "compact", "segment.ms": "40", "min.cleanable.dirty.ratio": "0.01"}
KEPT = {"cleanup.policy": "delete", "retention.ms": "-1"}
STEADY = 5  # looks that find the same
Place = tuple[int, int]


async def brief(message: Message) -> None:
    """Wait as a handler does that asks another service."""
    await asyncio.sleep(0.001)


@asynccontextmanager
async def reader(address: str) -> AsyncIterator[Client]:
    """A client that reads without a group, and only what is committed."""
    client = make(AIOKafkaConsumer, bootstrap_servers=address, isolation_level="read_committed")
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


async def ends(used: Group, partitions: int) -> Mapping[int, int]:
    """Where each partition ends, whatever is in front of that."""
    async with reader(used.address) as client:
        found = await client.end_offsets([TopicPartition(used.topic, n) for n in range(partitions)])
        return {at.partition: end for at, end in found.items()}


async def compact(used: Group) -> None:
    """Publish each key again and again into segments of their own, until what is old has gone."""
    await configure(used, COMPACTED)
    for _ in range(6):
        await used.publish(60, keys=10)
        await asyncio.sleep(0.05)
    async with asyncio.timeout(WITHIN):
        while len(await there(used)) > len(used.published) // 2:
            await asyncio.sleep(0.05)
        # It would go on, and take away what a test has seen; a round that is under way still ends.
        await configure(used, KEPT)
        left, looks = await there(used), 0
        while looks < STEADY:
            await asyncio.sleep(0.05)
            before, left = left, await there(used)
            looks = looks + 1 if left == before else 0


async def configure(used: Group, configs: Mapping[str, str]) -> None:
    """Give the topic settings of its own, and no others."""
    admin = make(AIOKafkaAdminClient, bootstrap_servers=used.address)
    await admin.start()
    await admin.alter_configs([make(ConfigResource, ConfigResourceType.TOPIC, used.topic, configs)])
    await admin.close()


async def there(used: Group) -> set[Place]:
    """The messages that a topic with one partition still has."""
    at, found = TopicPartition(used.topic, 0), set[Place]()
    async with reader(used.address) as client:
        client.assign([at])
        await client.seek_to_beginning(at)
        end = (await client.end_offsets([at]))[at]
        while await client.position(at) < end:
            for records in (await client.getmany(timeout_ms=200)).values():
                found |= {(0, record.offset) for record in records}
    return found


def test_a_compacted_topic_is_handled_and_committed_over_its_holes(broker: Broker) -> None:
    """Row 81: the commit passes the holes, and its map knows what is finished on their far side: after a
    restart one message that had failed is handled again, and no other."""
    failing = {"k3"}

    async def work(message: Message) -> None:
        await brief(message)
        if message.key is not None and message.key.decode() in failing:
            raise ValueError("not yet")

    async def scenario() -> None:
        async with group(broker.server.address, partitions=1) as used:
            await compact(used)
            left = await there(used)
            first = await used.join("a", work, order="key", concurrency=8, retry=Retry(attempts=1))
            good = len([place for place in left if place[1] % 10 != 3])
            await until(lambda: used.log.count() >= good, "all other keys are handled")
            await first.leave()
            begun = {each.place for each in used.log.events if each.name == "start"}
            failed = begun - {each.place for each in used.log.events if each.name == "done"}
            failing.clear()
            await used.join("b", work, order="key", concurrency=8)
            end = await ends(used, 1)
            await until(lambda: used.watch.answers[-1].offsets == end, "the end is committed")
            events = used.log.events

            assert len(left) < len(used.published) // 2 + 1
            all_handled(events, left)
            in_key_order([each for each in events if each.name == "done"])
            commits_are_safe(events, used.watch.answers)
            assert repeated(events) == failed
            assert len(failed) == 1

    asyncio.run(scenario())


async def transactions(used: Group, partitions: int) -> None:
    """Write transactions of which every second one is aborted; the last one is."""
    producer = make(AIOKafkaProducer, bootstrap_servers=used.address, transactional_id=used.topic)
    await producer.start()
    for number in range(6):
        await producer.begin_transaction()
        sent = [
            await producer.send(used.topic, b"%d" % n, key=b"k%d" % (n % 5), partition=n % partitions)
            for n in range(20)
        ]
        receipts = [await each for each in sent]
        if number % 2:
            await producer.abort_transaction()
        else:
            await producer.commit_transaction()
            used.published += [(each.partition, each.offset) for each in receipts]
    await producer.stop()


def test_a_group_that_committed_before_the_last_marker_has_no_backlog(broker: Broker) -> None:
    """Row 82: other clients commit the offset after their last message, where only markers and messages of
    aborted transactions follow; none of them waits, for however long."""

    async def scenario() -> None:
        async with group(broker.server.address, partitions=2) as used:
            await transactions(used, 2)
            consumer = make(AIOKafkaConsumer, bootstrap_servers=used.address, group_id=used.name)
            await consumer.start()
            last = {n: max(offset for at, offset in used.published if at == n) for n in range(2)}
            commits = {TopicPartition(used.topic, n): offset + 1 for n, offset in last.items()}
            consumer.assign(list(commits))
            await consumer.commit(commits)
            await consumer.stop()

            first = await used.bus.check_backlog(used.name, max_lag=0, max_age=0.0)
            again = await used.bus.check_backlog(used.name, max_lag=0, max_age=0.0)
            behind_one = await used.bus.check_backlog(f"{used.name}.none", topics=[used.topic])

            assert (first.behind, first.lag, again.lag, again.age) == (False, 0, 0, 0.0)
            assert [each.end > last[each.partition] + 1 for each in first.partitions] == [True, True]
            assert behind_one.lag == len(used.published)

    asyncio.run(scenario())


def test_aborted_messages_reach_no_handler_and_commits_reach_the_end_past_the_last_marker(
    broker: Broker,
) -> None:
    """Row 82: the lag becomes zero although nothing at the end is a message, and a burst ends."""

    async def scenario() -> None:
        async with group(broker.server.address, partitions=2) as used:
            await transactions(used, 2)
            await used.join("a", brief, order="key", concurrency=8)
            end = await ends(used, 2)
            await until(lambda: bool(used.watch.answers) and used.watch.answers[-1].offsets == end, "the end")
            events = used.log.events
            router = Router()
            router.handler(used.topic)(brief)
            async with asyncio.timeout(WITHIN):
                burst = await used.bus.run(router, group=f"{used.topic}.burst", burst=True)

            assert {each.place for each in events} == set(used.published)
            all_handled(events, used.published)
            in_key_order(events)
            commits_are_safe(events, used.watch.answers)
            assert repeated(events) == set()
            backlog = await used.bus.check_backlog(f"{used.topic}.burst", max_lag=0, max_age=0.0)
            fresh = await used.bus.check_backlog(f"{used.topic}.fresh", topics=[used.topic])

            assert burst.handled == len(used.published)
            assert (backlog.behind, backlog.lag, backlog.age) == (False, 0, 0.0)
            assert fresh.lag == len(used.published)

    asyncio.run(scenario())
