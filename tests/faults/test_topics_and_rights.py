"""Topics that go, come back, grow and lose messages, and rights that are taken away, under a worker."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete
from aiokafka.structs import TopicPartition
from tests.faults.access import GROUP, READ, TOPIC, deny, permit
from tests.faults.clusters import Broker
from tests.faults.members import until

from partita import EventBus, open_bus
from partita.backends.kafka import client

QUICK = "session_timeout_ms=6000&heartbeat_interval_ms=200&metadata_max_age_ms=1000"
HEAL_SECONDS = {"kafka": 20.0, "nats": 5.0}


class Reader:
    """A member of a group of its own, and what its handler was given."""

    def __init__(self, bus: EventBus, topic: str) -> None:
        self.bus, self.topic = bus, topic
        self.values: list[bytes] = []

    async def handle(self, value: bytes) -> None:
        """Remember."""
        self.values.append(value)

    async def handles(self, value: bytes, partition: int | None = None, within: float = 20.0) -> None:
        """Publish a message, and see it handled within a time."""
        await self.bus.publish(self.topic, value, partition=partition)
        await until(lambda: value in self.values, f"{value!r} is handled", within)

    async def green(self) -> None:
        """Wait until health is green."""
        await self.told("")

    async def told(self, reason: str, within: float = 15.0) -> None:
        """Wait until a red part gives this reason; "": until none is red."""
        told = ""
        try:
            async with asyncio.timeout(within):
                while reason not in told or bool(reason) != bool(told):
                    await asyncio.sleep(0.05)
                    parts = (await self.bus.health_check()).parts.values()
                    told = "; ".join(part.reason for part in parts if not part.healthy)
        except TimeoutError:
            raise AssertionError(f"health says {told!r} and not {reason!r}") from None


@asynccontextmanager
async def reader(url: str, partitions: int = 2) -> AsyncIterator[Reader]:
    """One that has handled a message."""
    topic = f"faults-{uuid.uuid4().hex[:10]}"
    async with open_bus(url) as bus:
        await bus.create_topic(topic, partitions=partitions)
        made = Reader(bus, topic)
        await bus.subscribe(topic, made.handle, group=topic)
        await made.handles(b"first")
        yield made


async def administer(address: str, request: str, what: object) -> None:
    """One request of the client's admin, which has no types to check against."""
    made: Any = AIOKafkaAdminClient(bootstrap_servers=address)
    await made.start()
    try:
        await getattr(made, request)(what)
    finally:
        await made.close()


@pytest.mark.parametrize("system", ["kafka", "nats"])
def test_a_topic_that_is_deleted_under_a_worker_is_red_and_comes_back(
    system: str, request: pytest.FixtureRequest
) -> None:
    """By its name, without making it again; and the same worker goes on when somebody else does."""

    async def scenario() -> None:
        async with reader(f"{system}://{request.getfixturevalue(system)}") as used:
            await used.bus.delete_topic(used.topic)
            await used.told(f"there is no topic '{used.topic}'")
            assert used.topic not in await used.bus.list_topics()

            await used.bus.create_topic(used.topic, partitions=2)
            await used.handles(b"second", within=HEAL_SECONDS[system])
            await used.green()

    asyncio.run(scenario())


def test_partitions_that_are_added_under_a_worker_are_read_from_their_start(kafka: str) -> None:
    """Within the metadata's age, without a restart."""

    async def scenario() -> None:
        async with reader(f"kafka://{kafka}?{QUICK}") as used:
            more = client.make(NewPartitions, 4)
            await administer(kafka, "create_partitions", {used.topic: more})
            async with open_bus(f"kafka://{kafka}") as other:
                await other.publish(used.topic, b"into a new one", partition=3)
            await until(lambda: b"into a new one" in used.values, "the new partition is read", 20.0)

    asyncio.run(scenario())


def test_messages_that_were_deleted_unread_are_told_with_their_number(
    kafka: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The group goes on with what is left, and says what it has missed."""
    caplog.set_level("INFO", logger="partita")

    async def scenario() -> None:
        async with reader(f"kafka://{kafka}?{QUICK}", partitions=1) as used:
            await used.bus.drain()
            for number in range(20):
                await used.bus.publish(used.topic, b"%d" % number)
            until_13 = {TopicPartition(used.topic, 0): client.make(RecordsToDelete, 13)}
            await administer(kafka, "delete_records", until_13)
            await used.bus.subscribe(used.topic, used.handle, group=used.topic)
            await until(lambda: b"19" in used.values, "the rest is handled")
            await until(lambda: "were deleted before they were handled" in caplog.text, "the gap is told")
            assert used.values[1] == b"12"
            told = {name: number for name, number in used.bus.metrics().items() if "deleted" in name}
            assert list(told.values()) == [12]

    asyncio.run(scenario())

    assert "/0: 12 offsets from 1 on were deleted before they were handled; it goes on at 13" in caplog.text
    assert "no commit is stored, it begins at 0" in caplog.text


@pytest.mark.parametrize(("place", "reason"), [(TOPIC, "TopicAuthorization"), (GROUP, "GroupAuthorization")])
def test_a_right_that_is_taken_away_and_given_back(place: int, reason: str, broker: Broker) -> None:
    """Red with the broker's reason, and at work again by itself, in the same process."""
    address = broker.server.address

    async def scenario() -> None:
        async with reader(f"kafka://{address}?{QUICK}", partitions=1) as used:
            deny(address, "*", place, used.topic, READ)
            try:
                await used.bus.publish(used.topic, b"second")
                await used.told(reason)
            finally:
                permit(address, place, used.topic)
            await until(lambda: b"second" in used.values, "what waited is handled", 20.0)
            await used.green()

    asyncio.run(scenario())
