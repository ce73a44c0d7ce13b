"""
Row 81: a topic with the holes that the broker's cleaner has made; `python -m tests.chaos.compaction`.

Each message that is left is handled once, the commit reaches the end of the log, and a member that comes
back reads nothing again. Takes as long as the broker takes to clean: up to a minute.
"""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from tests.chaos.kafka import kafka
from tests.faults.eventlog import places
from tests.faults.invariants import repeated
from tests.faults.members import group, until

from partita import Message, Outgoing

CONFIGS = {
    "cleanup.policy": "compact",
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.01",
    "min.compaction.lag.ms": "0",
}
ROUNDS, KEYS = 20, 50


async def brief(message: Message) -> None:
    """Give others a turn."""
    await asyncio.sleep(0)


async def left_in(address: str, topic: str) -> set[tuple[int, int]]:
    """The places of the messages that a plain client finds."""
    made: Any = AIOKafkaConsumer
    consumer = made(topic, bootstrap_servers=address, auto_offset_reset="earliest")
    await consumer.start()
    found: set[tuple[int, int]] = set()
    (at,) = consumer.assignment()
    end = (await consumer.end_offsets([at]))[at]
    while await consumer.position(at) < end:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            found |= {(each.partition, each.offset) for each in records}
    await consumer.stop()
    return found


async def scenario(address: str) -> None:
    """Fill, wait for the cleaner, read."""
    async with group(address, partitions=1) as used:
        admin, made = AIOKafkaAdminClient(bootstrap_servers=address), NewTopic
        await admin.start()  # type: ignore[no-untyped-call]
        topic = f"{used.topic}.compact"
        await admin.create_topics([made(topic, 1, 1, topic_configs=CONFIGS)])  # type: ignore[no-untyped-call]
        await admin.close()  # type: ignore[no-untyped-call]
        for turn in range(ROUNDS):
            batch = [Outgoing(b"%d" % turn, key=b"k%d" % n) for n in range(KEYS)]
            await used.bus.publish_batch(topic, batch)
            await asyncio.sleep(0.15)
        total = ROUNDS * KEYS
        async with asyncio.timeout(180):
            while len(found := await left_in(address, topic)) > total // 2:
                await used.bus.publish(topic, b"again", key=b"k0")
                total += 1
                await asyncio.sleep(1.0)
        used.topic = topic
        first = await used.join("a", brief, order="key")
        await until(lambda: used.watch.sum() >= total, "the end is committed")
        await first.leave()
        await used.join("b", brief, order="key")
        await used.bus.publish(topic, b"last", key=b"last")
        await until(lambda: used.watch.sum() >= total + 1, "the end is committed")
        events = used.log.events
        done = set(places(events, "done"))
        print(f"{total} messages written, {len(found)} left after compaction, {len(done)} handled")
        assert not repeated(events)
        assert done - {(0, total)} <= found
        assert len(done) >= KEYS


def main() -> None:
    """Run it."""
    with kafka() as address:
        asyncio.run(scenario(address))


if __name__ == "__main__":
    main()
