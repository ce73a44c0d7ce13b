"""Records that other clients have written, on a real broker: each is handled, or has its own outcome."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, codec
from aiokafka.errors import for_code
from aiokafka.protocol.produce import ProduceRequest
from tests.backends.kafka.batches import CODECS, Fields, batch, bomb, foul

from partita import EventBus, Message, MessageTooLarge, Outgoing, Router, open_bus
from partita.subscription import Summary

READERS = ("lazy", "client")
MEBIBYTE = 1 << 20


async def write(address: str, topic: str, *batches: bytes) -> None:
    """Produce batches as they are, whatever is in them."""
    make: Any = AIOKafkaProducer
    producer = make(bootstrap_servers=address)
    await producer.start()
    try:
        await producer.partitions_for(topic)
        for raw in batches:
            request: Any = ProduceRequest
            asked = request(
                required_acks=-1, timeout=10_000, topics=[(topic, [(0, raw)])], transactional_id=None
            )
            node = producer.client.cluster.leader_for_partition(_partition(topic))
            answer = await producer.client.send(node, asked)
            (_, ((_, code, *_),)), *_ = answer.topics
            if code:
                raise for_code(code)(f"the broker refused a batch: {code}")
    finally:
        await producer.stop()


def _partition(topic: str) -> Any:
    from aiokafka import TopicPartition as KafkaPartition

    return KafkaPartition(topic, 0)


@asynccontextmanager
async def bus_and_topic(
    address: str, reader: str = "lazy", **more: object
) -> AsyncIterator[tuple[EventBus, str]]:
    """A bus that reads in one of both ways, and a topic with one partition and a dead-letter topic."""
    topic = f"faults.{uuid.uuid4().hex[:8]}"
    query = "&".join(f"{name}={value}" for name, value in {"record_reader": reader, **more}.items())
    async with open_bus(f"kafka://{address}?{query}") as bus:
        for name in (topic, f"{topic}.dlq"):
            await bus.create_topic(name, partitions=1)
        yield bus, topic
        for name in (topic, f"{topic}.dlq"):
            await bus.delete_topic(name)


async def read(bus: EventBus, topic: str, dead_letter: bool = True) -> tuple[list[Message], Summary]:
    """Read all that there is."""
    seen = list[Message]()

    async def handle(message: Message) -> None:
        seen.append(message)

    router = Router()
    if dead_letter:
        router.handler(topic, dead_letter=f"{topic}.dlq")(handle)
    else:
        router.handler(topic)(handle)

    summary = await bus.run(router, group=topic, burst=True)
    return seen, summary


def values(seen: Sequence[Message]) -> list[bytes | None]:
    """Their payloads."""
    return [each.value for each in seen]


NAMED: Sequence[Fields] = [(b"%d" % n, b"value %d" % n, [("name", b"1")]) for n in range(3)]


def with_foul_name() -> bytes:
    """A batch of three whose second record has a header that is not UTF-8."""
    fields = [*NAMED]
    fields[1] = (b"1", b"value 1", [("foul", b"1")])
    return foul(batch(0, fields), b"foul", b"\xff\xfe\xff\xfe")


def test_a_header_that_is_no_text_becomes_a_dead_letter_and_the_partition_moves_on(kafka: str) -> None:
    """Any other client can write one, and aiokafka reads nothing behind it for ever (row 64)."""

    async def scenario() -> None:
        async with bus_and_topic(kafka) as (bus, topic):
            await write(kafka, topic, with_foul_name(), batch(0, NAMED))

            seen, summary = await read(bus, topic)

            assert values(seen) == [b"value 0", b"value 2", b"value 0", b"value 1", b"value 2"]
            assert (summary.handled, summary.failed, len(summary.parked)) == (5, 1, 0)
            (letter,) = [each async for each in bus.dead_letters(f"{topic}.dlq")]
            assert (letter.topic, letter.offset, letter.reason) == (topic, 1, "undecodable")
            assert (letter.message.value, letter.message.key) == (b"value 1", b"1")
            assert ("\\xff\\xfe\\xff\\xfe", b"1") in letter.message.headers
            assert (await bus.check_backlog(topic, topics=[topic])).lag == 0

    asyncio.run(scenario())


def test_on_the_clients_reader_it_parks_its_partition_at_its_offset(kafka: str) -> None:
    """Nothing of it is skipped, what came before it is handled, and the other partitions go on."""

    async def scenario() -> None:
        async with bus_and_topic(kafka, "client") as (bus, topic):
            await write(kafka, topic, batch(0, NAMED), with_foul_name())

            seen, summary = await read(bus, topic)

            assert values(seen) == [b"value 0", b"value 1", b"value 2", b"value 0"]
            (parked,) = summary.parked
            assert (parked.topic, parked.partition, parked.offset) == (topic, 0, 4)
            assert "cannot be decoded" in parked.error

    asyncio.run(scenario())


@pytest.mark.parametrize("reader", READERS)
def test_odd_headers_reach_the_handler(kafka: str, reader: str) -> None:
    """Twice the same, an empty name, 10,000 of them, one of 500 KB (row 64)."""
    odd: list[list[tuple[str, bytes | None]]] = [
        [("a", b"1"), ("a", b"2")],
        [("", b"1")],
        [(f"h{n}", b"1") for n in range(10_000)],
        [("large", bytes(500_000))],
        [("null", None)],
    ]

    async def scenario() -> None:
        async with bus_and_topic(kafka, reader) as (bus, topic):
            await write(kafka, topic, *(batch(0, [(None, b"v", headers)]) for headers in odd))

            seen, _ = await read(bus, topic)

            assert [[*each.headers] for each in seen] == [[(k, v or b"") for k, v in each] for each in odd]

    asyncio.run(scenario())


@pytest.mark.parametrize("reader", READERS)
def test_every_codec_is_read(kafka: str, reader: str) -> None:
    """Row 68, and the same suite on both ways of reading."""
    many: Sequence[Fields] = [(b"k", b"%d" % n * 40, [("a", b"1")]) for n in range(200)]

    async def scenario() -> None:
        async with bus_and_topic(kafka, reader) as (bus, topic):
            await write(kafka, topic, *(batch(0, many, name) for name in CODECS))

            seen, summary = await read(bus, topic)

            assert values(seen) == [value for _, value, _ in many] * len(CODECS)
            assert [each.offset for each in seen] == list(range(200 * len(CODECS)))
            assert summary.failed == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("reader", READERS)
def test_messages_above_the_fetch_limit_are_read(kafka: str, reader: str) -> None:
    """The client's own answer to one that is too large for it is to skip it (row 66, K9)."""
    limit = 16 * 1024

    async def scenario() -> None:
        async with bus_and_topic(kafka, reader, max_partition_fetch_bytes=limit) as (bus, topic):
            sizes = [limit - 200, limit, limit + 1, 10 * limit, 60 * limit]
            await bus.publish_batch(topic, [Outgoing(bytes(size)) for size in sizes])
            with pytest.raises(MessageTooLarge):
                await bus.publish(topic, bytes(2 * MEBIBYTE))

            seen, _ = await read(bus, topic)

            assert [len(each.value or b"") for each in seen] == sizes

    asyncio.run(scenario())


def test_a_compression_bomb_is_a_dead_letter_with_its_coordinates(kafka: str) -> None:
    """Six kilobytes that become 200 MB must not take the worker's memory (row 67)."""

    async def scenario() -> None:
        async with bus_and_topic(kafka) as (bus, topic):
            await write(kafka, topic, batch(0, NAMED))
            try:
                await write(kafka, topic, bomb(0))
            except Exception:  # noqa: BLE001 - a broker that looks into it refuses it, and then there is none
                return
            await write(kafka, topic, batch(0, NAMED))

            seen, summary = await read(bus, topic)

            assert values(seen) == [value for _, value, _ in NAMED] * 2
            (letter,) = [each async for each in bus.dead_letters(f"{topic}.dlq")]
            assert (letter.offset, summary.failed) == (3, 1)

    asyncio.run(scenario())


def test_a_large_batch_above_the_limit_of_the_user_is_a_dead_letter_or_parks(kafka: str) -> None:
    """The limit is an option, in bytes, and its batch has coordinates (row 67)."""
    large: Sequence[Fields] = [(None, bytes(MEBIBYTE), []) for _ in range(8)]
    limit, ratio = 5 * MEBIBYTE, 1_000_000

    async def scenario() -> None:
        async with bus_and_topic(kafka, unpacked_batch_bytes=limit, unpacked_batch_ratio=ratio) as (
            bus,
            topic,
        ):
            await write(kafka, topic, batch(0, large, "zstd"), batch(0, NAMED))

            _, parked = await read(bus, topic, dead_letter=False)
            seen, summary = await read(bus, topic)

            assert [(each.offset, "limit" in each.error) for each in parked.parked] == [(0, True)]
            assert values(seen) == [value for _, value, _ in NAMED]
            (letter,) = [each async for each in bus.dead_letters(f"{topic}.dlq")]
            assert (letter.topic, letter.offset, letter.reason) == (topic, 0, "undecodable")
            assert (summary.failed, len(summary.parked)) == (1, 0)

    asyncio.run(scenario())


@pytest.mark.parametrize("reader", READERS)
def test_a_codec_that_is_not_installed_parks_its_partition_until_it_is(
    kafka: str, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what to install, is no dead letter, and nothing of it is skipped (row 68)."""

    async def scenario() -> None:
        async with bus_and_topic(kafka, reader) as (bus, topic):
            await write(kafka, topic, batch(0, NAMED), batch(0, NAMED, "zstd"), batch(0, NAMED))
            with monkeypatch.context() as without:
                # The client's own flag for what it could import.
                without.setattr(codec, "cramjam", None)
                before, summary = await read(bus, topic)
            after, _ = await read(bus, topic)

            (parked,) = summary.parked
            assert (parked.offset, values(before)) == (3, [value for _, value, _ in NAMED])
            assert "pip install 'partita[codecs]'" in parked.error
            assert [each.offset for each in after] == [3, 4, 5, 6, 7, 8]
            assert not [each async for each in bus.dead_letters(f"{topic}.dlq")]

    asyncio.run(scenario())


@pytest.mark.parametrize("reader", READERS)
def test_aborted_messages_reach_nobody_and_the_lag_is_nothing(kafka: str, reader: str) -> None:
    """The end of the log is a marker, which is no message, and has to be passed (row 82, K43)."""

    async def scenario() -> None:
        async with bus_and_topic(kafka, reader) as (bus, topic):
            make: Any = AIOKafkaProducer
            producer = make(bootstrap_servers=kafka, transactional_id=topic)
            await producer.start()
            for number, commit in enumerate((True, False, True, False)):
                await producer.begin_transaction()
                await producer.send_and_wait(topic, b"%d" % number, partition=0)
                await (producer.commit_transaction() if commit else producer.abort_transaction())
            await producer.stop()

            seen, _ = await read(bus, topic)
            backlog = await bus.check_backlog(topic, topics=[topic])

            assert values(seen) == [b"0", b"2"]
            assert backlog.lag == 0

    asyncio.run(scenario())
