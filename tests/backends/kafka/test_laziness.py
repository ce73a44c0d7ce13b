"""Whether a client can be read lazily is looked at before; one that cannot is read by its own means."""

import asyncio
import gc
import logging
import weakref
from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.structs import TopicPartition as KafkaPartition
from tests.backends.kafka.batches import AT, batch, old, theirs

from partita.backends.kafka import fetched, laziness
from partita.backends.kafka.reading import LazyReading, PlainReading, reading_of
from partita.backends.kafka.settings import kafka_settings
from partita.backends.kafka.unpacking import Unpacker

THERE = KafkaPartition(*AT)


class State:
    """Where a partition is read on, as the client keeps it."""

    def __init__(self, position: int) -> None:
        self.position, self.paused, self.has_valid_position = position, False, True

    def consumed_to(self, position: int) -> None:
        """It was read."""
        self.position = position


class Client:
    """As much of the client as a fetch goes through: its own classes, with fetches put where it puts them."""

    def __init__(self, position: int = 0) -> None:
        self.state = State(position)
        self.active, self.tps, self.reassignment_in_progress = True, {THERE}, False
        self.subscription = self.assignment_of = self
        self._subscription = self._fetcher = self
        self._records: dict[KafkaPartition, Any] = {}
        self._wait_consume_future = object()
        self.notified = 0

    def state_value(self, at: KafkaPartition) -> State:
        """Of the only partition."""
        return self.state

    def arrive(self, raw: bytes) -> None:
        """An answer of the broker."""
        made: Any = fetcher
        records = made.PartitionRecords(
            THERE, made.MemoryRecords(raw), [], self.state.position, None, None, True, fetcher.READ_COMMITTED
        )
        result = made.FetchResult(THERE, assignment=self, partition_records=records, backoff=0)
        self._records[THERE] = result

    def _notify(self, future: object) -> None:
        self.notified += 1

    async def getmany(self, *partitions: KafkaPartition, timeout_ms: int) -> dict[KafkaPartition, Any]:
        """Nothing: it only keeps the poll clock."""
        return {}


def fetches(client: Client) -> list[Any]:
    """What is read lazily of what has arrived."""

    async def scenario() -> list[Any]:
        return [*await LazyReading(client, Unpacker()).fetch([THERE], 0.0)]

    return asyncio.run(scenario())


@pytest.fixture(autouse=True)
def prepared() -> None:
    """The installed client can be read lazily."""
    assert laziness.is_possible()


def test_what_is_taken_moves_the_client_on_and_is_read_later() -> None:
    """The client asks for more at once, while nothing was read yet."""
    client = Client(2)
    client.arrive(batch(0) + batch(4))

    (fetch,) = fetches(client)

    assert (client.state.position, client.notified, client._records) == (8, 1, {})
    assert (fetch.start_offset, fetch.end_offset) == (2, 8)
    assert [*fetch.records] == theirs(batch(0) + batch(4), 2)[0]


def test_what_arrived_for_another_position_is_left_out() -> None:
    """A seek, or another assignment, came in between."""
    client = Client()
    client.arrive(batch(0))
    client.state.position = 9

    assert fetches(client) == []
    assert client.state.position == 9


def test_formats_before_v2_are_the_clients_to_read() -> None:
    """Old segments may still hold them."""
    client = Client()
    client.arrive(old(0, [b"a", b"b"]))

    (fetch,) = fetches(client)

    assert [each.value for each in fetch.records] == [b"a", b"b"]
    assert (fetch.end_offset, client.state.position) == (2, 2)


def test_what_was_fetched_is_freed_without_the_collector() -> None:
    """The client's iterator and its owner hold each other: a consumer would need three times the memory."""
    client = Client()
    client.arrive(batch(0))
    dropped, taken = Client(), weakref.ref(client._records[THERE]._partition_records)
    dropped.arrive(batch(0))
    thrown_away = weakref.ref(dropped._records[THERE]._partition_records)
    gc.disable()
    try:
        fetch = fetches(client)
        dropped._records.clear()

        assert (taken(), thrown_away()) == (None, None)
        assert fetch
    finally:
        gc.enable()


def test_a_client_without_a_private_name_is_read_by_its_own_means(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One line in the log, and no worker that does not start."""
    settings, client = kafka_settings("kafka://127.0.0.1:9092", {}), Client()
    laziness.is_possible.cache_clear()
    with monkeypatch.context() as changed, caplog.at_level(logging.WARNING):
        changed.setattr(laziness, "PRIVATE", ((fetcher.Fetcher, ("_no_such_name",)),))
        plain = [reading_of(client, settings), reading_of(client, settings)]
    laziness.is_possible.cache_clear()

    assert [type(each) for each in plain] == [PlainReading, PlainReading]
    (line,) = caplog.messages
    assert "Fetcher._no_such_name" in line
    assert isinstance(reading_of(client, settings), LazyReading)


def test_a_client_whose_parser_differs_is_read_by_its_own_means(monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe reads a batch of its own in both ways."""
    laziness.is_possible.cache_clear()
    with monkeypatch.context() as changed:
        changed.setattr(laziness, "_theirs", lambda raw: iter(()))
        possible = laziness.is_possible()
    laziness.is_possible.cache_clear()

    assert not possible


def test_the_address_may_say_that_the_client_reads() -> None:
    """An escape for who meets a difference."""
    settings = kafka_settings("kafka://127.0.0.1:9092", {"record_reader": "client"})

    assert isinstance(reading_of(Client(), settings), PlainReading)
    assert fetched.KeptRecords(batch(0)).raw == batch(0)
