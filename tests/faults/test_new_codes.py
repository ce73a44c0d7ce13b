"""Row 13: answers of the broker with codes that the client has no class for."""

import asyncio
import uuid

import pytest
from aiokafka.errors import KafkaError, UnknownError
from tests.faults.clusters import Broker
from tests.faults.kafka_proxy import KafkaProxy

from partita import Receipt, open_bus

FINAL = {
    "UNSUPPORTED_COMPRESSION_TYPE": 76,
    "FENCED_INSTANCE_ID": 82,
    "PRODUCER_FENCED": 90,
    "INVALID_REGISTRATION": 119,
}
PASSING = ("FENCED_LEADER_EPOCH", "THROTTLING_QUOTA_EXCEEDED", "UNKNOWN_TOPIC_ID")


async def published(proxy: KafkaProxy, error: str, times: int) -> tuple[Receipt | KafkaError, int]:
    """What a publish comes to whose first *times* answers tell *error*, and how many answers did."""
    topic = f"codes-{uuid.uuid4().hex[:10]}"
    async with open_bus(f"kafka://{proxy.address}") as bus:
        await bus.create_topic(topic, partitions=1)
        rule = proxy.rewrite("Produce", error, topic=topic, times=times)
        outcome: Receipt | KafkaError
        try:
            outcome = await bus.publish(topic, b"1")
        except KafkaError as raised:
            outcome = raised
        assert (await bus.publish(topic, b"2")).topic == topic
        return outcome, rule.hits


@pytest.mark.usefixtures("broker")
def test_a_code_that_no_waiting_mends_reaches_who_publishes_with_its_number(proxied: KafkaProxy) -> None:
    """At once, with the standard name to look up; the next message goes."""

    async def scenario() -> list[tuple[Receipt | KafkaError, int]]:
        return await asyncio.gather(*[published(proxied, each, 1) for each in FINAL])

    told = asyncio.run(scenario())

    assert [hits for _, hits in told] == [1] * len(FINAL)
    for (error, _), (name, code) in zip(told, FINAL.items(), strict=True):
        assert isinstance(error, UnknownError)
        assert (error.errno, error.message) == (code, name)


def test_a_code_that_passes_is_waited_for(broker: Broker, proxied: KafkaProxy) -> None:
    """The batch is sent again and acknowledged, without a storm of requests."""

    async def scenario() -> list[tuple[Receipt | KafkaError, int]]:
        return await asyncio.gather(*[published(proxied, each, 3) for each in PASSING])

    told = asyncio.run(scenario())

    assert broker.server.address != proxied.address
    assert [hits for _, hits in told] == [3] * len(PASSING)
    assert all(isinstance(receipt, Receipt) for receipt, _ in told)
