"""Publishing to a real broker."""

import asyncio
from collections.abc import Awaitable

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import InvalidTimestampError, KafkaError
from tests.backends.kafka.members import Listener, backend, fresh, member, read

from partita.backends.kafka.settings import Deadlines
from partita.core.errors import Closed, MessageTooLarge, SettingsError, TopicMissing
from partita.core.ports import Outgoing, Receipt

VALUES = [b"", None, b"\x00", b"a\x00b", b"\xff\xfe\x80", b"plain", b"L" * 900_000]


def test_values_keys_headers_and_timestamps_arrive_byte_for_byte(kafka: str) -> None:
    """Empty is not null; order, duplicates and bytes of headers are kept."""

    async def scenario() -> None:
        headers = [("a", b"1"), ("b", b"\xff\x00"), ("a", b""), ("ä", "ö".encode())]
        topic = fresh("bytes")
        async with backend(kafka) as used:
            await used.create_topic(topic, partitions=1, replication=1)
            sent = [
                Outgoing(value, key=key, headers=headers, timestamp=1_700_000_000_000 + index)
                for index, value in enumerate(VALUES)
                for key in (b"k", None, b"", b"\xff")
            ]
            receipts = [await used.publisher.publish(topic, each) for each in sent]
            subscription = used.subscription(member(topic))
            await subscription.start(Listener())
            records = await read(subscription, len(sent))

            reader = used.reader
            assert [r.offset for r in receipts] == list(range(len(sent)))
            assert [r.timestamp for r in receipts] == [each.timestamp for each in sent]
            for record, each in zip(records, sent, strict=True):
                assert reader.value(record) == each.value
                assert reader.key(record) == each.key
                assert list(reader.headers(record)) == headers
                assert reader.timestamp(record) == each.timestamp
                assert (reader.topic(record), reader.partition(record)) == (topic, 0)
            name = f"{type(records[0]).__module__}.{type(records[0]).__qualname__}"
            assert name == reader.record_type

    asyncio.run(scenario())


def test_messages_sent_without_waiting_keep_their_order_in_each_partition(kafka: str) -> None:
    """Also when batches are full, and before the topic is known."""

    async def scenario() -> None:
        topic = fresh("order")
        async with backend(kafka, max_batch_size="2000") as used:
            await used.create_topic(topic, partitions=3, replication=1)
            sent = [used.publisher.send(topic, Outgoing(b"%d" % n, key=b"%d" % (n % 7))) for n in range(3000)]
            receipts = await asyncio.gather(*sent)
            subscription = used.subscription(member(topic))
            await subscription.start(Listener())
            records = await read(subscription, 3000)

            seen: dict[bytes, list[int]] = {}
            for record in records:
                seen.setdefault(record.key, []).append(int(record.value))
            assert seen == {b"%d" % k: list(range(k, 3000, 7)) for k in range(7)}
            where = {(r.partition, r.offset) for r in receipts}
            assert where == {(record.partition, record.offset) for record in records}

    asyncio.run(scenario())


def test_a_missing_topic_is_refused_by_name_and_not_made(kafka: str) -> None:
    """Also for the next message, and without holding up another topic."""

    async def scenario() -> None:
        missing, there = fresh("missing"), fresh("there")
        async with backend(kafka) as used:
            await used.create_topic(there, partitions=1, replication=1)
            refused = used.publisher.send(missing, Outgoing(b"x"))
            stored = await used.publisher.publish(there, Outgoing(b"y"))
            with pytest.raises(TopicMissing, match=missing):
                await refused
            with pytest.raises(TopicMissing):
                await used.publisher.publish(missing, Outgoing(b"x"))

            assert stored.topic == there
            assert missing not in await used.list_topics()

    asyncio.run(scenario())


def test_a_topic_made_after_it_was_missed_is_found(kafka: str) -> None:
    """That a topic was missing is not remembered."""

    async def scenario() -> None:
        topic = fresh("later")
        async with backend(kafka) as used:
            with pytest.raises(TopicMissing):
                await used.publisher.publish(topic, Outgoing(b"x"))
            await used.create_topic(topic, partitions=1, replication=1)

            assert (await used.publisher.publish(topic, Outgoing(b"x"))).offset == 0

    asyncio.run(scenario())


def test_a_message_too_large_for_the_client_affects_no_other(kafka: str) -> None:
    """It never reaches the broker, so the producer's sequence stays whole."""

    async def scenario() -> None:
        topic = fresh("large")
        async with backend(kafka) as used:
            await used.create_topic(topic, partitions=1, replication=1)
            await used.publisher.publish(topic, Outgoing(b"first"))
            with pytest.raises(MessageTooLarge) as refused:
                await used.publisher.publish(topic, Outgoing(b"x" * 1_100_000))
            after = await used.publisher.publish(topic, Outgoing(b"second"))

            assert refused.value.limit == 1_048_576
            assert after.offset == 1

    asyncio.run(scenario())


async def small_topic(address: str, topic: str, limit: int) -> None:
    """A topic whose batches have a limit of their own."""
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()  # type: ignore[no-untyped-call]
    new = NewTopic(topic, 1, 1, topic_configs={"max.message.bytes": str(limit)})  # type: ignore[no-untyped-call]
    await admin.create_topics([new])
    await admin.close()  # type: ignore[no-untyped-call]


def test_a_message_too_large_for_its_topic_affects_no_other(kafka: str) -> None:
    """A batch that the broker refuses is cut smaller until only what is really too large is refused."""

    async def scenario() -> None:
        topic = fresh("small")
        await small_topic(kafka, topic, 5000)
        async with backend(kafka) as used:
            values = [b"%03d" % n + b"x" * (9000 if n == 20 else 500) for n in range(40)]
            sent = [used.publisher.send(topic, Outgoing(value)) for value in values]
            results = await asyncio.gather(*sent, return_exceptions=True)
            with pytest.raises(MessageTooLarge):
                await used.publisher.publish(topic, Outgoing(values[20]))

            refused = results.pop(20)
            assert isinstance(refused, MessageTooLarge)
            assert refused.limit == 5000
            offsets = [each.offset for each in results if isinstance(each, Receipt)]
            assert offsets == list(range(39))

    asyncio.run(scenario())


def test_a_limit_that_was_raised_is_found_out(kafka: str) -> None:
    """What the broker said of a topic's limit counts for a while and not for ever: a dead letter that was
    refused passes at a later attempt."""

    async def scenario() -> None:
        topic, message = fresh("raised"), Outgoing(b"x" * 6000)
        await small_topic(kafka, topic, 5000)
        async with backend(kafka, Deadlines(limit=0.2)) as used:
            with pytest.raises(MessageTooLarge):
                await used.publisher.publish(topic, message)
            await used.delete_topic(topic)
            await used.create_topic(topic, partitions=1, replication=1)

            async with asyncio.timeout(30):
                while not isinstance(await outcome(used.publisher.send(topic, message)), Receipt):
                    await asyncio.sleep(0.05)

    asyncio.run(scenario())


async def outcome(sent: Awaitable[Receipt]) -> Receipt | BaseException:
    """The receipt, or why there is none."""
    (found,) = await asyncio.gather(sent, return_exceptions=True)
    return found


def test_a_message_that_the_broker_refuses_affects_no_other(kafka: str) -> None:
    """A timestamp far ahead is refused by the broker, for the whole batch; the others are sent again."""

    async def scenario() -> None:
        topic = fresh("refused")
        async with backend(kafka) as used:
            await used.create_topic(topic, partitions=1, replication=1)
            stamps = [None, None, 2**62, None]
            sent = [used.publisher.send(topic, Outgoing(b"v", timestamp=at)) for at in stamps]
            results = await asyncio.gather(*sent, return_exceptions=True)

            assert isinstance(results.pop(2), InvalidTimestampError)
            assert [each.offset for each in results if isinstance(each, Receipt)] == [0, 1, 2]

    asyncio.run(scenario())


def test_a_partition_may_be_chosen_and_must_exist(kafka: str) -> None:
    """The caller's partition overrides the key's."""

    async def scenario() -> None:
        topic = fresh("partition")
        async with backend(kafka) as used:
            await used.create_topic(topic, partitions=3, replication=1)
            chosen = [
                (await used.publisher.publish(topic, Outgoing(b"v", key=b"k", partition=n))).partition
                for n in range(3)
            ]
            with pytest.raises(SettingsError, match="0 to 2"):
                await used.publisher.publish(topic, Outgoing(b"v", partition=3))

            assert chosen == [0, 1, 2]

    asyncio.run(scenario())


def test_a_cancelled_wait_does_not_take_the_message_back(kafka: str) -> None:
    """Nor does it disturb those that share its batch."""

    async def scenario() -> None:
        topic = fresh("cancelled")
        async with backend(kafka) as used:
            await used.create_topic(topic, partitions=1, replication=1)
            waiting = [
                asyncio.ensure_future(used.publisher.publish(topic, Outgoing(b"%d" % n))) for n in range(3)
            ]
            await asyncio.sleep(0)
            waiting[1].cancel()
            await used.publisher.flush()
            results = await asyncio.gather(*waiting, return_exceptions=True)
            subscription = used.subscription(member(topic))
            await subscription.start(Listener())

            assert isinstance(results[1], asyncio.CancelledError)
            assert [r.offset for r in results if isinstance(r, Receipt)] == [0, 2]
            assert [r.value for r in await read(subscription, 3)] == [b"0", b"1", b"2"]

    asyncio.run(scenario())


def test_flush_returns_when_all_before_it_is_acknowledged(kafka: str) -> None:
    """Failures count as settled and are not raised by it."""

    async def scenario() -> None:
        topic, missing = fresh("flush"), fresh("missing")
        async with backend(kafka) as used:
            await used.create_topic(topic, partitions=2, replication=1)
            sent = [used.publisher.send(topic, Outgoing(b"%d" % n)) for n in range(500)]
            failing = used.publisher.send(missing, Outgoing(b"x"))

            await used.publisher.flush()

            assert all(each.done() and not each.exception() for each in sent)
            assert isinstance(failing.exception(), TopicMissing)

    asyncio.run(scenario())


def test_a_deleted_topic_is_missing_for_the_next_message(kafka: str) -> None:
    """A topic that was known is looked up again when its partitions no longer answer."""

    async def scenario() -> None:
        topic = fresh("deleted")
        async with backend(kafka) as used:
            await used.create_topic(topic, partitions=1, replication=1)
            await used.publisher.publish(topic, Outgoing(b"x"))
            await used.delete_topic(topic)

            with pytest.raises((TopicMissing, KafkaError)):
                await used.publisher.publish(topic, Outgoing(b"x"))
            with pytest.raises(TopicMissing):
                await used.publisher.publish(topic, Outgoing(b"x"))

    asyncio.run(scenario())


def test_after_close_a_message_is_refused_and_what_was_sent_before_is_stored(kafka: str) -> None:
    """Closing flushes."""

    async def scenario() -> None:
        topic = fresh("close")
        async with backend(kafka) as used:
            await used.create_topic(topic, partitions=1, replication=1)
            sent = [used.publisher.send(topic, Outgoing(b"%d" % n)) for n in range(100)]
            await used.publisher.close()
            await used.publisher.close()

            assert [each.result().offset for each in sent] == list(range(100))
            with pytest.raises(Closed):
                await used.publisher.publish(topic, Outgoing(b"x"))

    asyncio.run(scenario())
