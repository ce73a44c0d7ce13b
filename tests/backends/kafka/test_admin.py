"""Topics and the ping on a real broker."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import (
    InvalidPartitionsError,
    InvalidReplicationFactorError,
    InvalidTopicError,
    KafkaConnectionError,
    TopicAlreadyExistsError,
)
from tests.backends.kafka.members import backend, fresh

from partita.backends.kafka import open_backend
from partita.backends.kafka.admin import Ask, KafkaAdmin
from partita.backends.kafka.settings import kafka_settings
from partita.core.errors import TopicMissing


def test_a_topic_is_listed_with_its_partitions_until_it_is_deleted(kafka: str) -> None:
    """What was made is seen at once, what was deleted is not, and internal topics never are."""

    async def scenario() -> None:
        topic = fresh("listed")
        async with backend(kafka) as used:
            await used.create_topic(topic, partitions=3, replication=1)
            during = await used.list_topics()
            await used.delete_topic(topic)
            after = await used.list_topics()

            assert during[topic] == 3
            assert topic not in after
            assert not [name for name in during if name.startswith("__")]

    asyncio.run(scenario())


def test_what_the_broker_refuses_is_the_clients_own_error(kafka: str) -> None:
    """By the broker's code, and with its words."""

    async def scenario() -> None:
        topic = fresh("refused")
        async with backend(kafka) as used:
            await used.create_topic(topic, partitions=1, replication=1)
            with pytest.raises(TopicAlreadyExistsError, match=topic):
                await used.create_topic(topic, partitions=1, replication=1)
            with pytest.raises(InvalidPartitionsError):
                await used.create_topic(fresh("none"), partitions=0, replication=1)
            with pytest.raises(InvalidReplicationFactorError):
                await used.create_topic(fresh("many"), partitions=1, replication=9)
            with pytest.raises(InvalidTopicError):
                await used.create_topic("not/a/name", partitions=1, replication=1)
            with pytest.raises(TopicMissing):
                await used.delete_topic(fresh("absent"))

    asyncio.run(scenario())


class Offsets(KafkaAdmin):
    """An admin whose broker has the internal topic of committed offsets, and no connection to lose it on."""

    def __init__(self) -> None:
        super().__init__(kafka_settings("kafka://127.0.0.1:1", {}))
        self.deleted: list[str] = []

    async def _ask(self, ask: Ask) -> Any:
        return await ask(self)

    async def describe_topics(self, _: object) -> list[dict[str, object]]:
        """What the broker has."""
        return [{"topic": "__consumer_offsets", "is_internal": True, "partitions": [{}]}]

    async def delete_topics(self, topics: list[str]) -> None:
        """What must not be asked for."""
        self.deleted += topics


def test_an_internal_topic_is_not_deleted() -> None:
    """With the offsets every group of the broker would begin again. Tried without a broker, on purpose."""
    admin = Offsets()

    with pytest.raises(TopicMissing):
        asyncio.run(admin.delete_topic("__consumer_offsets"))

    assert admin.deleted == []


def test_a_broker_that_is_not_there_is_unreachable() -> None:
    """Opening proves that the broker answers, and raises the client's own error when it does not."""

    async def scenario() -> None:
        used = open_backend("kafka://127.0.0.1:1", {})
        with pytest.raises(KafkaConnectionError) as failed:
            await used.open()
        await used.close()

        assert used.is_unreachable(failed.value)
        assert used.is_retriable(failed.value)
        assert not used.is_unreachable(TopicMissing("t"))
        assert not used.is_retriable(ValueError())

    asyncio.run(scenario())
