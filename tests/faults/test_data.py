"""What is in a topic: holes between offsets, and times that are none."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from tests.faults.invariants import all_handled, commits_are_safe, repeated
from tests.faults.members import group, until

from partita import Message

FOREVER = 2**63 - 1


async def brief(message: Message) -> None:
    """Give others a turn."""
    await asyncio.sleep(0)


def test_offsets_that_hold_no_message_are_read_past(kafka: str) -> None:
    """Aborted messages and the markers of transactions leave holes: each message there is is handled once,
    and the commit reaches the end of the log, so that nothing is reported as unread."""

    async def scenario() -> None:
        async with group(kafka, partitions=1) as used:
            made: Any = AIOKafkaProducer
            producer = made(bootstrap_servers=kafka, transactional_id=used.topic)
            await producer.start()
            for n in range(20):
                await producer.begin_transaction()
                sent = [await producer.send(used.topic, b"%d" % n, partition=0) for _ in range(3)]
                records = await asyncio.gather(*sent)
                if n % 2:
                    await producer.abort_transaction()
                else:
                    await producer.commit_transaction()
                    used.published += [(each.partition, each.offset) for each in records]
            await producer.stop()
            await used.join("a", brief, order="none", concurrency=4)
            await until(lambda: used.watch.sum() == 20 * 4, "the end is committed")
            events = used.log.events

            all_handled(events, used.published)
            commits_are_safe(events, used.watch.answers)
            assert repeated(events) == set()
            assert len(events) == 2 * 30

    asyncio.run(scenario())


def test_times_before_1970_and_after_our_days_are_a_message_s_own(kafka: str) -> None:
    """Zero, long ago and far ahead: such messages are handled as any other, with the time they have."""
    times = [0, 1, 253_402_300_800_000, 2**53]
    seen: list[int] = []

    async def handle(message: Message) -> None:
        seen.append(message.timestamp)

    async def scenario() -> None:
        async with group(kafka, partitions=1) as used:
            topic = f"{used.topic}.times"
            admin: Any = AIOKafkaAdminClient(bootstrap_servers=kafka)
            await admin.start()
            configs = {"message.timestamp.after.max.ms": str(FOREVER)}
            made: Any = NewTopic
            await admin.create_topics([made(topic, 1, 1, topic_configs=configs)])
            await admin.close()
            for each in times:
                await used.bus.publish(topic, b"x", timestamp=each)
            subscription = await used.bus.subscribe(topic, handle, group=used.name)
            await until(lambda: used.watch.sum() == len(times), "everything is committed")
            await subscription.drain()

            assert seen == times

    asyncio.run(scenario())
