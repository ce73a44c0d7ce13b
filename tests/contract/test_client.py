"""What a bus tells of its client, and the client itself, on every backend."""

import asyncio

import aiokafka
import aiokafka.admin
import nats.aio.client
from tests.contract.world import World

from partita.backends.memory import MemoryBroker


def test_the_clients_own_objects_can_be_asked_what_the_bus_does_not_offer(world: World) -> None:
    """As they are now, while the bus goes on working with them."""

    async def ignore(value: bytes) -> None:
        return

    async def scenario() -> None:
        async with world.topic(partitions=1) as (bus, topic):
            await bus.subscribe(topic, ignore, group=topic)
            await bus.publish(topic, b"1")
            client = bus.client
            if world.name == "kafka":
                (consumer,) = client.consumers
                assert isinstance(client.producer, aiokafka.AIOKafkaProducer)
                assert isinstance(client.admin, aiokafka.admin.AIOKafkaAdminClient)
                assert isinstance(consumer, aiokafka.AIOKafkaConsumer)
                assert topic in [each["topic"] for each in await client.admin.describe_topics([topic])]
            elif world.name == "nats":
                assert isinstance(client, nats.aio.client.Client)
                assert (await client.jetstream().account_info()).streams > 0
            else:
                assert isinstance(client, MemoryBroker)
            assert (await bus.publish(topic, b"2")).offset > 0
        if world.name == "kafka":
            assert (bus.client.producer, bus.client.consumers, bus.client.admin) == (None, [], None)

    asyncio.run(scenario())


def test_every_option_is_told_with_where_it_comes_from(world: World) -> None:
    """Also before the bus is open: what it would do can be looked at without doing it."""
    expected = {
        "memory": set(),
        "kafka": {("consumer", "session_timeout_ms", 45_000, "partita"),
                  ("admin", "retry_backoff_ms", 100, "aiokafka")},
        "nats": {("", "max_reconnect_attempts", -1, "partita"), ("", "connect_timeout", 2, "nats-py")},
    }  # fmt: skip

    told = {
        (each.client, each.name, each.value, each.origin)
        for each in world.bus().options
        if isinstance(each.value, int)
    }

    assert expected[world.name] <= told
