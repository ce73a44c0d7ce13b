"""Row 13: answers of the broker with codes that the client has no class for."""

import asyncio
import uuid

import pytest
from aiokafka.errors import KafkaError, UnknownError
from tests.faults.clusters import Broker
from tests.faults.kafka_proxy import KafkaProxy
from tests.faults.members import group, until

from partita import Message, Receipt, open_bus

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


async def brief(message: Message) -> None:
    """Handle it."""


async def read_through(broker: Broker, proxy: KafkaProxy, error: str) -> int:
    """How often a fetch is asked for while each is answered with *error* for a while; then all is handled."""
    loop = asyncio.get_running_loop()
    async with group(broker.server.address) as used:
        used.address = proxy.address
        await used.publish(20)
        rule = proxy.rewrite("Fetch", error, topic=used.name)
        await used.join("a", brief)
        await until(lambda: rule.hits > 0, f"a fetch is answered with {error}")
        begun = loop.time()
        await until(lambda: loop.time() - begun > 1.5, "a while")
        hits = rule.hits
        rule.release()
        await used.all_done()
        return hits


def test_fetches_that_are_answered_with_a_new_code_are_no_storm_and_go_on_when_it_is_over(
    broker: Broker, proxied: KafkaProxy
) -> None:
    """The client alone would ask several hundred times a second; all comes when the broker gives it."""
    cases = ["FENCED_LEADER_EPOCH", "UNSUPPORTED_COMPRESSION_TYPE", "FENCED_INSTANCE_ID", "UNKNOWN_TOPIC_ID",
             "INVALID_REGISTRATION"]  # fmt: skip

    async def scenario() -> list[int]:
        return await asyncio.gather(*[read_through(broker, proxied, each) for each in cases])

    hits = asyncio.run(scenario())

    assert max(hits) < 20, hits
