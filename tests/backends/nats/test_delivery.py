"""What arrives is what was sent: values, keys, headers, order, and where reading begins."""

import asyncio

import pytest
from tests.backends.nats.members import bus, member, publish, topic_on

from partita.backends.nats import NatsBackend
from partita.core.errors import MessageTooLarge, SettingsError, TopicMissing
from partita.core.ports import Membership, Outgoing

VALUES = (b"", None, b"\0", b"\0a\0", b"\xff\xfe\x80", b"line\r\nMSG x 1 0\r\n", bytes(range(256)) * 3600)
HEADERS = (
    (),
    (("name", b"value"),),
    (("a", b"1"), ("a", b"2"), ("A", b"3")),
    (("b", b" x "), ("c", b"\xff\xfe"), ("empty", b"")),
    (("é", b"\n"), ("", b""), ("a:b", b"c")),
    (("Nats-Msg-Id", b"mine"), ("Partita-Key", b"mine"), ("traceparent", b"00-1-2-01")),
    tuple((f"n{number}", b"v" * number) for number in range(50)),
)
KEYS = (None, b"", b"plain", b"\0\xff %=\r\n", "schlüssel".encode())


def test_any_value_arrives_byte_for_byte(nats: str) -> None:
    """Empty, null, NUL bytes, invalid UTF-8, protocol text and 900 KB survive the way there and back."""

    async def scenario() -> None:
        async with bus(nats) as backend, topic_on(backend) as topic, member(backend, topic) as reader:
            await publish(backend, topic, VALUES)

            await reader.read(len(VALUES))

            assert tuple(reader.values) == VALUES

    asyncio.run(scenario())


def test_headers_and_keys_arrive_in_order_with_duplicates_and_bytes(nats: str) -> None:
    """What NATS cannot carry in its headers arrives all the same."""

    async def scenario() -> None:
        messages = [Outgoing(b"v", key=key, headers=headers) for headers in HEADERS for key in KEYS]
        async with bus(nats) as backend, topic_on(backend) as topic, member(backend, topic) as reader:
            for message in messages:
                await backend.publisher.publish(topic, message)

            await reader.read(len(messages))

            found = [
                (NatsBackend.reader.key(one), tuple(NatsBackend.reader.headers(one)))
                for one in reader.records
            ]
            assert found == [(message.key, message.headers) for message in messages]

    asyncio.run(scenario())


def test_a_record_says_where_it_stands(nats: str) -> None:
    """Topic, partition and offset of a record are those of its receipt."""

    async def scenario() -> None:
        async with bus(nats) as backend, topic_on(backend, 3) as topic, member(backend, topic) as reader:
            receipts = [
                await backend.publisher.publish(topic, Outgoing(b"v", partition=number))
                for number in (2, 0, 1)
            ]

            await reader.read(3)

            read = NatsBackend.reader
            places = {(read.topic(one), read.partition(one), read.offset(one)) for one in reader.records}
            assert places == {receipt[:3] for receipt in receipts}
            assert all(abs(read.timestamp(one) - receipts[0].timestamp) < 60_000 for one in reader.records)

    asyncio.run(scenario())


def test_equal_keys_stay_in_one_partition_and_in_order(nats: str) -> None:
    """A key's messages are read in the order in which they were sent."""

    async def scenario() -> None:
        async with bus(nats) as backend, topic_on(backend, 4) as topic, member(backend, topic) as reader:
            for number in range(500):
                backend.publisher.send(topic, Outgoing(b"%d" % number, key=b"k%d" % (number % 7)))
            await backend.publisher.flush()

            await reader.read(500)

            for key in range(7):
                numbers = [int(value or b"") for value in reader.values if int(value or b"") % 7 == key]
                assert numbers == list(range(key, 500, 7))

    asyncio.run(scenario())


def test_reading_from_latest_leaves_out_what_was_there(nats: str) -> None:
    """A new group with start="latest" sees only what is published after it has joined."""

    async def scenario() -> None:
        async with bus(nats) as backend, topic_on(backend) as topic:
            await publish(backend, topic, [b"old"] * 5)
            async with member(backend, topic, start="latest") as reader:
                await publish(backend, topic, [b"new"])

                await reader.read(1)

                assert reader.values == [b"new"]

    asyncio.run(scenario())


def test_what_cannot_be_published_is_refused_by_name_and_nothing_else_is_affected(nats: str) -> None:
    """A timestamp, a partition that is not there and a message above the server's limit fail alone."""

    async def scenario() -> None:
        async with bus(nats) as backend, topic_on(backend, 2) as topic, member(backend, topic) as reader:
            publisher = backend.publisher
            sent = [
                publisher.send(topic, message)
                for message in (
                    Outgoing(b"", timestamp=1),
                    Outgoing(b"", partition=2),
                    Outgoing(bytes(1024 * 1024)),
                    Outgoing(b"good"),
                )
            ]

            outcomes = await asyncio.gather(*sent, return_exceptions=True)
            await reader.read(1)

            kinds = [type(outcome) for outcome in outcomes[:3]]
            assert kinds == [SettingsError, SettingsError, MessageTooLarge]
            assert reader.values == [b"good"]

    asyncio.run(scenario())


def test_a_missing_topic_is_named_wherever_it_is_used(nats: str) -> None:
    """Publishing, subscribing and deleting raise TopicMissing with the topic's name."""

    async def scenario() -> None:
        async with bus(nats) as backend:
            reader = backend.subscription(Membership("g", frozenset({"not.there"})))

            with pytest.raises(TopicMissing, match=r"not\.there"):
                await backend.publisher.publish("not.there", Outgoing(b""))
            with pytest.raises(TopicMissing, match=r"not\.there"):
                await backend.delete_topic("not.there")
            with pytest.raises(TopicMissing, match=r"not\.there"):
                await reader.start(NoListener())
            await reader.close()

    asyncio.run(scenario())


class NoListener:
    """Nobody is told anything."""

    def assigned(self, partitions: object) -> None:
        """Not expected."""
        raise AssertionError

    async def revoked(self, partitions: object) -> None:
        """Not expected."""
        raise AssertionError

    def lost(self, partitions: object) -> None:
        """Not expected."""
        raise AssertionError
