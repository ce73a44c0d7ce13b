"""What is in a topic: times that are none."""

import asyncio
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from tests.faults.members import group, until

from partita import Message

FOREVER = 2**63 - 1


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

            ahead = await used.bus.check_backlog(f"{used.name}.late", topics=[topic], max_age=5.0)
            again = await used.bus.check_backlog(f"{used.name}.late", topics=[topic], max_age=5.0)
            assert (ahead.lag, ahead.behind, again.behind) == (len(times), False, False)
            assert 0.0 <= again.age < 5.0

    asyncio.run(scenario())
