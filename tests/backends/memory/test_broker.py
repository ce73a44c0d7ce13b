"""Topics in memory, and how they are read."""

import asyncio

import pytest
from tests.backends.memory.test_groups import Reader, orders
from tests.simulated import run

from partita import Closed, Outgoing, SettingsError, TopicMissing
from partita.backends.memory import MemoryBackend, MemoryBroker, open_backend
from partita.backends.memory.records import MemoryRecord
from partita.backends.memory.settings import memory_settings
from partita.backends.memory.subscription import FETCH_BYTES, FETCH_MESSAGES
from partita.core.ports import Membership, TopicPartition


def test_a_topic_comes_into_being_on_first_use() -> None:
    """With as many partitions as the address says."""
    broker = MemoryBroker(partitions=3)

    receipt = broker.append("orders", Outgoing(b"1"))

    assert broker.topics == {"orders": 3}
    assert receipt[0] == "orders"
    assert receipt.timestamp > 1_600_000_000_000


def test_equal_keys_share_a_partition_in_order() -> None:
    """And messages without a key are spread over all."""
    broker = MemoryBroker()

    keyed = [broker.append("orders", Outgoing(b"x", key=b"42")) for _ in range(5)]
    keyless = [broker.append("orders", Outgoing(b"x")) for _ in range(4)]

    assert len({each.partition for each in keyed}) == 1
    assert [each.offset for each in keyed] == list(range(5))
    assert {each.partition for each in keyless} == {0, 1, 2, 3}


def test_everything_that_was_said_is_kept() -> None:
    """Bytes, nulls, header order and duplicates, partition and timestamp."""
    broker = MemoryBroker()
    headers = [("a", b"1"), ("b", b""), ("a", b"2")]

    broker.append("orders", Outgoing(None, key=b"", headers=headers, partition=2, timestamp=7))

    (record,) = broker.log(TopicPartition("orders", 2))
    reader = MemoryBackend(broker, "memory://").reader
    assert (reader.topic(record), reader.partition(record), reader.offset(record)) == ("orders", 2, 0)
    assert (reader.key(record), reader.value(record), reader.timestamp(record)) == (b"", None, 7)
    assert list(reader.headers(record)) == headers
    assert record.size == 0


@pytest.mark.parametrize("partition", [-1, 4])
def test_refuses_a_partition_that_is_not_there(partition: int) -> None:
    """The error says which are."""
    with pytest.raises(SettingsError, match=f"'orders' has partitions 0 to 3, not {partition}"):
        MemoryBroker().append("orders", Outgoing(b"1", partition=partition))


def test_refuses_what_cannot_be_made_or_deleted() -> None:
    """Nothing else is touched."""
    broker = MemoryBroker()
    broker.create("orders", 1)

    with pytest.raises(SettingsError, match="there is a topic 'orders' already"):
        broker.create("orders", 1)
    with pytest.raises(SettingsError, match="1 partition or more, not 0"):
        broker.create("bills", 0)
    with pytest.raises(SettingsError, match="'no topic!' is no topic name"):
        broker.create("no topic!", 1)
    with pytest.raises(TopicMissing):
        broker.delete("bills")

    assert broker.topics == {"orders": 1}


def test_what_is_gone_reads_as_empty() -> None:
    """A member may still ask for it until its rebalance."""
    broker = MemoryBroker()
    broker.create("orders", 2)

    assert broker.log(TopicPartition("orders", 5)) == ()
    broker.delete("orders")

    assert broker.log(TopicPartition("orders", 0)) == ()


def test_a_poll_waits_for_what_is_stored() -> None:
    """And for no longer than it was told to."""
    broker = MemoryBroker(1)

    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        reader = await Reader(broker, orders()).join()
        assert await reader.subscription.poll((), 5.0) == ()
        loop.call_later(1.0, broker.append, "orders", Outgoing(b"1"))
        (fetch,) = await reader.subscription.poll((), 5.0)
        assert fetch.end_offset == 1
        return loop.time()

    assert run(scenario())[0] == pytest.approx(6.0)


def test_a_closed_partition_is_not_handed_out() -> None:
    """Its messages stay until it is open again."""
    broker = MemoryBroker(2)
    for number in range(2):
        broker.append("orders", Outgoing(b"1", partition=number))
    first, second = TopicPartition("orders", 0), TopicPartition("orders", 1)

    async def scenario() -> None:
        reader = await Reader(broker, orders()).join()
        assert [each.partition for each in await reader.subscription.poll((first,), 1.0)] == [second]
        assert await reader.subscription.poll((first,), 1.0) == ()
        assert await reader.subscription.unread() == {first: 1, second: 0}
        assert [each.partition for each in await reader.subscription.poll((), 1.0)] == [first]

    run(scenario())


def test_a_fetch_is_bounded_by_messages_and_bytes() -> None:
    """But holds at least one message, however large."""
    broker = MemoryBroker(1)
    for _ in range(FETCH_MESSAGES + 1):
        broker.append("orders", Outgoing(b""))
    for _ in range(2):
        broker.append("orders", Outgoing(b"x" * (FETCH_BYTES + 1)))

    async def scenario() -> list[int]:
        reader = await Reader(broker, orders()).join()
        return [len(list((await reader.subscription.poll((), 1.0))[0].records)) for _ in range(3)]

    assert run(scenario())[0] == [FETCH_MESSAGES, 2, 1]


def test_a_closed_subscription_says_so() -> None:
    """Instead of waiting for messages that never come."""

    async def scenario() -> None:
        reader = await Reader(MemoryBroker(), orders()).join()
        await reader.leave()
        with pytest.raises(Closed):
            await reader.subscription.poll((), 1.0)

    run(scenario())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"partition": "3"}, "no option 'partition'; did you mean 'partitions'"),
        ({"partitions": "0"}, "partitions=0: give a whole number of 1 or more"),
        ({"partitions": "-1"}, "give a whole number"),
        ({"partitions": "x"}, "give a whole number"),
        ({"partitions": "٣"}, "give a whole number"),
        ({"partitions": ""}, "give a whole number"),
    ],
)
def test_refuses_options_that_cannot_be_used(options: dict[str, str], told: str) -> None:
    """With the nearest name, or what can be given."""
    with pytest.raises(SettingsError, match=told):
        memory_settings(options)


def test_a_named_broker_is_shared_in_this_process() -> None:
    """Without a name, each is its own."""
    options = {"partitions": "2"}
    shared = [open_backend("memory://test-broker-shared", options) for _ in range(2)]
    own = [open_backend("memory://", options) for _ in range(2)]

    assert shared[0].broker is shared[1].broker
    assert own[0].broker is not own[1].broker
    assert shared[0].broker.default_partitions == 2
    assert (shared[0].address, own[0].address) == ("memory://test-broker-shared", "memory://")


def test_the_backend_answers_and_has_nothing_that_fails_for_a_while() -> None:
    """This process is there, or nobody asks."""

    async def scenario() -> None:
        backend = open_backend("memory://", {})
        await backend.open()
        await backend.ping()
        await backend.create_topic("orders", partitions=2, replication=3)
        assert await backend.list_topics() == {"orders": 2}
        await backend.delete_topic("orders")
        await backend.publisher.flush()
        await backend.close()
        assert not backend.is_retriable(OSError())
        assert not backend.is_unreachable(OSError())
        assert backend.subscription(Membership("billing")).membership.group == "billing"

    run(scenario())


def test_a_refused_send_is_raised_when_it_is_awaited() -> None:
    """As on every broker that learns of it later."""

    async def scenario() -> None:
        backend = open_backend("memory://", {})
        assert (await backend.publisher.publish("orders", Outgoing(b"1", partition=0))).offset == 0
        receipt = backend.publisher.send("orders", Outgoing(b"1", partition=9))
        with pytest.raises(SettingsError):
            await receipt

    run(scenario())


def test_a_record_counts_key_and_value() -> None:
    """What flow control counts."""
    assert MemoryRecord("orders", 0, 0, 0, b"ab", b"cde", ()).size == 5
