"""What the client raises is what its caller gets: the very object, on every path and on the real brokers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka.errors import KafkaError, TopicAlreadyExistsError
from nats.js.errors import APIError
from tests.contract.world import World

from partita import EventBus, KafkaSettings, PublishErrors, SettingsError, open_bus


class Planted(KafkaError):
    """Raised inside the client, by what a test put there."""


def raising(error: Exception) -> Callable[..., Awaitable[Any]]:
    """An async function of the client's that fails."""

    async def fail(*arguments: object, **options: object) -> Any:
        raise error

    return fail


async def raised_by(call: Awaitable[object]) -> BaseException | None:
    """What a call raises."""
    try:
        await call
    except Exception as error:  # noqa: BLE001 - it is what is asked for
        return error
    return None


def test_what_the_client_raises_while_publishing_is_raised_to_whoever_published(kafka: str) -> None:
    """By `publish`, by a delivery, and in the group of a batch, where `except*` finds it by its class."""
    original = Planted("partition")

    def partitioner(key: bytes | None, partitions: list[int], available: list[int]) -> int:
        raise original

    async def scenario() -> None:
        settings = KafkaSettings(producer={"partitioner": partitioner})
        world = World("kafka", f"kafka://{kafka}")
        async with world.topic(partitions=1) as (_, topic), open_bus(world.url, settings=settings) as bus:
            assert await raised_by(bus.publish(topic, b"1")) is original
            delivery = bus.send(topic, b"1")
            assert await raised_by(delivery) is original
            with pytest.raises(PublishErrors) as some:
                await bus.publish_batch(topic, [b"1"])
            assert some.value.errors[0] is original
            assert some.group_contains(Planted)
            assert bus.is_retriable(original) is False

    asyncio.run(scenario())


def test_what_the_client_raises_to_administration_is_raised_to_whoever_asked(world: World) -> None:
    """Wherever the client's own call fails; nothing is wrapped, and nothing is put in its place."""
    original = Planted("admin")

    async def scenario(bus: EventBus, topic: str) -> None:
        if world.name == "kafka":
            admin = bus.client.admin
            admin.create_topics = admin.delete_topics = admin.describe_topics = raising(original)
        elif world.name == "nats":
            bus.client.request = raising(original)
        asked = (bus.create_topic(f"{topic}.more"), bus.list_topics(), bus.delete_topic(topic))
        assert [await raised_by(each) for each in asked] == [original] * 3
        health = await bus.health_check()
        assert "Planted: admin" in str(health.parts["broker"].reason)

    async def plant() -> None:
        async with world.topic(partitions=1) as (_, topic), open_bus(world.url) as bus:
            if world.name != "memory":
                await scenario(bus, topic)

    asyncio.run(plant())


def test_what_the_broker_refuses_is_the_clients_own_error_with_its_number(world: World) -> None:
    """Its class and number can be looked up in the client's documentation."""
    expected = {"kafka": TopicAlreadyExistsError, "nats": APIError, "memory": SettingsError}

    async def scenario() -> None:
        async with world.topic(partitions=1) as (bus, topic):
            refused = await raised_by(bus.create_topic(topic, partitions=1))
            assert isinstance(refused, expected[world.name])
            assert refused is not None
            assert bus.is_retriable(refused) is False
            if isinstance(refused, TopicAlreadyExistsError):
                assert refused.errno == 36
            if isinstance(refused, APIError):
                assert refused.err_code == 10058

    asyncio.run(scenario())
