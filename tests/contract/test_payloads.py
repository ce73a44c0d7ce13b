"""What a message carries arrives as it was sent, on every backend."""

import asyncio
from decimal import Decimal

import attrs
import pytest
from tests.contract.test_universal import group
from tests.contract.world import Inbox, World

from partita import Message, MessageTooLarge, Outgoing, Receipt, SettingsError, TopicMissing

HEADERS = [
    ("b", b"2"),
    ("a", b"1"),
    ("b", b"2 again"),
    ("blank", b"  x "),
    ("bytes", b"\xff\xfe\x00\r\n"),
    ("none", b""),
]
VALUES = [
    b"",
    b"\x00",
    b"line\r",
    b"\xff\xfe not utf-8 \x80",
    b"\n\n",
    bytes(range(256)),
    b"x" * 900_000,
]


@attrs.frozen
class Order:
    """A value of a user's class."""

    number: int
    price: Decimal


async def round_trip(world: World, messages: list[Outgoing]) -> tuple[list[Receipt], list[Message]]:
    """Publish messages to one partition and read them back."""
    received: list[Message] = []
    complete = asyncio.Event()

    async def handle(message: Message) -> None:
        received.append(message)
        if len(received) == len(messages):
            complete.set()

    async with world.topic(partitions=1) as (bus, topic):
        receipts = [
            await bus.publish(topic, m.value, key=m.key, headers=m.headers, timestamp=m.timestamp)
            for m in messages
        ]
        await bus.subscribe(topic, handle, group=group())
        async with asyncio.timeout(60):
            await complete.wait()
    return receipts, received


def test_header_order_duplicates_and_bytes_are_kept(world: World) -> None:
    """Headers arrive in the order they were sent, with their duplicates, blanks and bytes."""
    _, received = asyncio.run(round_trip(world, [Outgoing(b"v", headers=HEADERS)]))

    assert list(received[0].headers) == HEADERS


def test_values_arrive_byte_for_byte(world: World) -> None:
    """Empty, binary, not UTF-8 and 900 KB: every byte arrives."""
    _, received = asyncio.run(round_trip(world, [Outgoing(value) for value in VALUES]))

    assert [message.value for message in received] == VALUES


def test_a_null_value_is_not_an_empty_one(world: World) -> None:
    """None stays None and empty bytes stay empty, for values and for keys."""
    sent = [Outgoing(None, key=b"k"), Outgoing(b"", key=b""), Outgoing(b"v", key=None)]
    _, received = asyncio.run(round_trip(world, sent))

    assert [(m.value, m.key) for m in received] == [(None, b"k"), (b"", b""), (b"v", None)]


def test_keys_arrive_as_bytes_and_choose_the_partition(world: World) -> None:
    """Equal keys go to one partition, and any bytes are a key."""
    keys = [b"\x00\xff %= \r\n", "schlüssel".encode(), b"k" * 1000]

    async def scenario() -> list[Receipt]:
        async with world.topic(partitions=4) as (bus, topic):
            return [await bus.publish(topic, b"v", key=key) for key in keys for _ in range(3)]

    receipts = asyncio.run(scenario())
    _, received = asyncio.run(round_trip(world, [Outgoing(b"v", key=key) for key in keys]))

    assert keys == [message.key for message in received]
    assert [1] * len(keys) == [len({r.partition for r in receipts[i * 3 : i * 3 + 3]}) for i in range(3)]


def test_a_receipt_says_where_the_message_is(world: World) -> None:
    """Topic, partition and offset of the receipt are those that the reader sees."""
    receipts, received = asyncio.run(round_trip(world, [Outgoing(b"%d" % n) for n in range(5)]))

    assert [r[:3] for r in receipts] == [(m.topic, m.partition, m.offset) for m in received]
    assert all(receipt.timestamp > 1_600_000_000_000 for receipt in receipts)


def test_a_partition_out_of_range_is_refused(world: World) -> None:
    """A partition that the topic does not have is refused by number, and the next publish works."""

    async def scenario() -> int:
        async with world.topic(partitions=2) as (bus, topic):
            with pytest.raises(SettingsError, match="7"):
                await bus.publish(topic, b"v", partition=7)
            return (await bus.publish(topic, b"v", partition=1)).partition

    assert asyncio.run(scenario()) == 1


def test_a_missing_topic_is_refused_by_name(world: World) -> None:
    """Publishing to and reading from a topic that is not there says its name; memory makes it."""

    async def scenario() -> list[str]:
        refused: list[str] = []
        async with world.topic() as (bus, topic):
            for attempt in (
                bus.publish(f"{topic}.not", b"v"),
                bus.subscribe(f"{topic}.nor", print_nothing, group=group()),
            ):
                try:
                    await attempt
                except TopicMissing as error:
                    refused.append(error.topic.removeprefix(topic))
            await bus.drain()
        return refused

    assert asyncio.run(scenario()) == ([] if world.name == "memory" else [".not", ".nor"])


async def print_nothing(value: bytes) -> None:
    """A handler that is never called."""
    raise AssertionError("nothing was published")


def test_a_message_above_the_limit_is_refused_and_the_next_goes_through(world: World) -> None:
    """What the server would refuse is refused before it is sent, with nothing else affected."""

    async def scenario() -> tuple[bool, Receipt]:
        async with world.topic(partitions=1) as (bus, topic):
            refused = False
            try:
                await bus.publish(topic, b"x" * 20_000_000)
            except MessageTooLarge as error:
                refused = error.topic == topic and error.size >= 20_000_000
            return refused, await bus.publish(topic, b"small")

    refused, receipt = asyncio.run(scenario())

    assert refused == (world.name != "memory")
    assert receipt.offset >= 0


def test_a_batch_arrives_in_order_on_one_partition(world: World, inbox: Inbox) -> None:
    """publish_batch keeps the order of its messages, and its receipts are in that order too."""

    async def handle(value: bytes) -> None:
        inbox.add(value)

    async def scenario() -> list[int]:
        async with world.topic(partitions=1) as (bus, topic):
            receipts = await bus.publish_batch(topic, [b"%d" % n for n in range(500)])
            await bus.subscribe(topic, handle, group=group())
            await inbox.until(lambda values: len(values) >= 500)
            return [receipt.offset for receipt in receipts]

    offsets = asyncio.run(scenario())

    assert sorted(offsets) == offsets
    assert [b"%d" % n for n in range(500)] == inbox.values


def test_a_value_of_a_class_arrives_as_one(world: World) -> None:
    """What is published as an attrs value is handed to a handler that asks for one."""
    received: list[Order] = []
    complete = asyncio.Event()

    async def handle(order: Order) -> None:
        received.append(order)
        complete.set()

    async def scenario() -> None:
        async with world.topic(partitions=1) as (bus, topic):
            await bus.publish(topic, Order(7, Decimal("1.50")))
            await bus.subscribe(topic, handle, group=group())
            async with asyncio.timeout(60):
                await complete.wait()

    asyncio.run(scenario())

    assert received == [Order(7, Decimal("1.50"))]
