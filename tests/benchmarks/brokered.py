"""Consumers of one Kafka topic: a bus whose handler checks what it sees, and the client alone."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeAlias

import attrs
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord
from tests.benchmarks.measuring import Cost, Stopwatch

from partita import Outgoing, open_bus

PARTITIONS = 4
# JSON, so that a handler may also ask for what it says.
PAYLOAD = b'{"number":1,"note":"%s"}' % (b"x" * 1002)
PART = 10_000  # messages published at once
DEADLINE = 300.0
Record: TypeAlias = "ConsumerRecord[bytes, bytes]"
Handler = Callable[[Record], Awaitable[None]]


@attrs.frozen
class Topic:
    """A topic that is full already: its name, and the broker's HOST:PORT."""

    name: str
    address: str


@asynccontextmanager
async def filled(address: str, messages: int, keys: int) -> AsyncIterator[Topic]:
    """A new topic with 1 KB messages, deleted at the end."""
    name = f"benchmark.{uuid.uuid4().hex[:10]}"
    async with open_bus(f"kafka://{address}") as bus:
        await bus.create_topic(name, partitions=PARTITIONS)
        for first in range(0, messages, PART):
            numbers = range(first, min(first + PART, messages))
            await bus.publish_batch(name, [Outgoing(PAYLOAD, key=b"%d" % (each % keys)) for each in numbers])
        yield Topic(name, address)
        await bus.delete_topic(name)


class Meter:
    """
    Stops the time from the first call of a handler to the end of the last.

    Args:
        messages: how many calls there will be.
    """

    def __init__(self, messages: int) -> None:
        self.left = self._messages = messages
        self._watch: Stopwatch | None = None
        self._over = asyncio.Event()

    def handler(self) -> Handler:
        """A handler that does nothing else."""

        async def handle(record: Record) -> None:
            self.begin()
            self.end()

        return handle

    def begin(self) -> None:
        """A call begins."""
        if self._watch is None:
            self._watch = Stopwatch()

    def end(self) -> None:
        """A call has ended."""
        self.left -= 1
        if self.left == 0:
            self._over.set()

    async def result(self) -> Cost:
        """What all calls took; waits for the last."""
        async with asyncio.timeout(DEADLINE):
            await self._over.wait()
        assert self._watch is not None  # there was a call
        return self._watch.stop(self._messages)


class Check(Meter):
    """
    A meter whose handler waits, and checks order and concurrency.

    Args:
        messages: how many calls there will be.
        seconds: that each call waits.

    Attributes:
        most: how many calls were unfinished at once.
        faults: how many calls came out of order, or while one of their key was unfinished.
    """

    def __init__(self, messages: int, seconds: float) -> None:
        super().__init__(messages)
        self.most = self.faults = 0
        self._seconds = seconds
        self._unfinished = set[tuple[int, bytes | None]]()
        self._last = dict[tuple[int, bytes | None], int]()

    def handler(self) -> Handler:
        """The handler."""

        async def handle(record: Record) -> None:
            self.begin()
            key = record.partition, record.key
            self.faults += key in self._unfinished or self._last.get(key, -1) >= record.offset
            self._last[key] = record.offset
            self._unfinished.add(key)
            self.most = max(self.most, len(self._unfinished))
            await asyncio.sleep(self._seconds)
            self._unfinished.discard(key)
            self.end()

        return handle


async def through_the_bus(
    topic: Topic, meter: Meter, concurrency: int, order: Literal["partition", "key", "none"] = "key"
) -> Cost:
    """A new group that reads the topic through a bus."""
    async with open_bus(f"kafka://{topic.address}") as bus:
        group = f"benchmark.{uuid.uuid4().hex[:10]}"
        await bus.subscribe(topic.name, meter.handler(), group=group, order=order, concurrency=concurrency)
        cost = await meter.result()
        await bus.drain()
        return cost


async def through_the_client(topic: Topic, meter: Meter) -> Cost:
    """A new group that reads the topic with `getmany` and awaits the handler for each record."""
    make: Callable[..., Any] = AIOKafkaConsumer  # the client has no types to check against
    consumer = make(
        topic.name,
        bootstrap_servers=topic.address,
        group_id=f"benchmark.{uuid.uuid4().hex[:10]}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    handler = meter.handler()
    await consumer.start()
    try:
        while meter.left > 0:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                for record in records:
                    await handler(record)
        return await meter.result()
    finally:
        await consumer.stop()


async def bare_tasks(messages: int, tasks: int, seconds: float) -> Cost:
    """That many tasks that wait, and nothing else: no broker, no message."""
    waiting = iter(range(messages))

    async def work() -> None:
        for _ in waiting:
            await asyncio.sleep(seconds)

    watch = Stopwatch()
    await asyncio.gather(*(work() for _ in range(tasks)))
    return watch.stop(messages)
