"""Publishing to a real broker through a bus."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka.errors import InvalidTimestampError, KafkaError
from tests.backends.kafka.members import fresh

from partita import KafkaSettings, Outgoing, PublishErrors, SettingsError, open_bus
from partita.core.errors import Closed


def test_a_batch_with_a_refused_message_is_told_by_the_clients_own_error_and_index(kafka: str) -> None:
    """`except* KafkaError` takes it, and what else was in the batch is stored."""

    async def scenario() -> None:
        topic, refused = fresh("group"), list[BaseException]()
        async with open_bus(f"kafka://{kafka}") as bus:
            await bus.create_topic(topic, partitions=1)
            batch = [b"0", Outgoing(b"1", timestamp=2**62), b"2", Outgoing(b"3", partition=4)]
            try:
                await bus.publish_batch(topic, batch)
            except* KafkaError as errors:
                refused += errors.exceptions
            except* SettingsError as errors:
                refused += errors.exceptions
            with pytest.raises(PublishErrors) as raised:
                await bus.publish_batch(topic, batch)

            assert [type(error) for error in refused] == [InvalidTimestampError, SettingsError]
            kinds = {index: type(error) for index, error in raised.value.errors.items()}
            assert kinds == {1: InvalidTimestampError, 3: SettingsError}
            assert sorted(raised.value.receipts) == [0, 2]

    asyncio.run(scenario())


def test_a_partitioner_of_the_programs_own_decides(kafka: str) -> None:
    """It is given what the client would give it, for messages without a key too."""

    def last(key: bytes | None, all_partitions: Sequence[int], available: Sequence[int]) -> int:
        return all_partitions[-1] if key is None else sorted(available)[len(key)]

    async def scenario() -> list[int]:
        topic, settings = fresh("own"), KafkaSettings(producer={"partitioner": last})
        async with open_bus(f"kafka://{kafka}", settings=settings) as bus:
            await bus.create_topic(topic, partitions=3)
            sent = [await bus.publish(topic, b"v", key=key) for key in (None, b"", b"k")]
            sent += await bus.publish_batch(topic, [b"v", Outgoing(b"v", partition=0)])
            return [receipt.partition for receipt in sent]

    assert asyncio.run(scenario()) == [2, 0, 1, 2, 0]


def test_a_bus_that_is_closed_publishes_nothing(kafka: str) -> None:
    """Also to a topic that it has published to before, and in every way."""

    async def scenario() -> None:
        topic = fresh("closed")
        async with open_bus(f"kafka://{kafka}") as bus:
            await bus.create_topic(topic, partitions=1)
            await bus.publish(topic, b"v")

        for publish in (bus.publish(topic, b"v"), bus.publish_batch(topic, [b"v"])):
            with pytest.raises(Closed):
                await publish
        with pytest.raises(Closed):
            bus.send(topic, b"v")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "options", [{"key": "text"}, {"headers": [(b"a", b"b")]}, {"headers": [("a", "b")]}, {"headers": ["ab"]}]
)
def test_what_the_wire_cannot_carry_is_refused_and_nothing_else(kafka: str, options: Any) -> None:
    """Before and after the topic is known, by a TypeError that says what there should be."""

    async def scenario() -> None:
        topic = fresh("types")
        async with open_bus(f"kafka://{kafka}") as bus:
            await bus.create_topic(topic, partitions=1)
            for offset in range(2):
                with pytest.raises(TypeError, match=r"bytes|str"):
                    await bus.publish(topic, b"v", **options)
                assert (await bus.publish(topic, b"v")).offset == offset

    asyncio.run(scenario())
