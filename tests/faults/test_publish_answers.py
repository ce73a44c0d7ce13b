"""What publishing makes of lost and wrong answers: nothing is stored twice, nothing is said falsely."""

import asyncio
import uuid
from collections.abc import Sequence

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    CorruptRecordException,
    OutOfOrderSequenceNumber,
    UnknownError,
)
from tests.backends.kafka.members import Listener, backend, member, read
from tests.faults.clusters import Broker
from tests.faults.kafka_proxy import KafkaProxy

from partita.backends.kafka.backend import KafkaBackend
from partita.backends.kafka.client import make
from partita.core.ports import Outgoing, Receipt

MESSAGES = 40
# All are told though the broker had stored the batch: the first are worth another try, for the client.
PASSING = (
    "REQUEST_TIMED_OUT", "NOT_ENOUGH_REPLICAS_AFTER_APPEND", "NOT_LEADER_OR_FOLLOWER", "KAFKA_STORAGE_ERROR",
)  # fmt: skip
FINAL = {
    "UNKNOWN_SERVER_ERROR": UnknownError,
    "CORRUPT_MESSAGE": CorruptRecordException,
    "OUT_OF_ORDER_SEQUENCE_NUMBER": OutOfOrderSequenceNumber,
}
LAST = b"last"


async def stored(used: KafkaBackend, topic: str) -> Sequence[bytes]:
    """The values in a topic of one partition up to the last."""
    subscription = used.subscription(member(topic))
    await subscription.start(Listener())
    found: list[bytes] = []
    while LAST not in found:
        found += [record.value for record in await read(subscription, 1)]
    return found


async def published(proxy: KafkaProxy, verb: str, *error: str) -> tuple[list[object], Sequence[bytes]]:
    """Publish while something happens to the first answer; what callers were told, and what is stored."""
    topic = f"answers-{uuid.uuid4().hex[:10]}"
    async with backend(proxy.address, request_timeout_ms="1500") as used:
        await used.create_topic(topic, partitions=1, replication=1)
        rule = getattr(proxy, verb)("Produce", *error, topic=topic, times=1)
        sent = [used.publisher.send(topic, Outgoing(b"%d" % number)) for number in range(MESSAGES)]
        told: list[object] = [*await asyncio.gather(*sent, return_exceptions=True)]
        await used.publisher.publish(topic, Outgoing(LAST))
        assert rule.hits == 1
        return told, await stored(used, topic)


@pytest.mark.usefixtures("broker")
def test_a_batch_whose_answer_is_lost_or_wrong_is_stored_once(proxied: KafkaProxy) -> None:
    """Row 13: it is sent again under its number, which the broker knows, and the callers learn its offset."""
    cases = [*[("rewrite", each) for each in PASSING], ("drop_answer",), ("cut_answer",)]

    async def scenario() -> Sequence[tuple[list[object], Sequence[bytes]]]:
        return await asyncio.gather(*[published(proxied, *case) for case in cases])

    for told, values in asyncio.run(scenario()):
        assert values == [*[b"%d" % number for number in range(MESSAGES)], LAST]
        assert [each.offset for each in told if isinstance(each, Receipt)] == list(range(MESSAGES))


@pytest.mark.usefixtures("broker")
def test_a_final_answer_is_told_and_its_batch_not_sent_again(proxied: KafkaProxy) -> None:
    """None of these proves that nothing was stored, so callers get the client's error and decide."""

    async def scenario() -> Sequence[tuple[list[object], Sequence[bytes]]]:
        return await asyncio.gather(*[published(proxied, "rewrite", each) for each in FINAL])

    for (told, values), kind in zip(asyncio.run(scenario()), FINAL.values(), strict=True):
        assert all(isinstance(each, kind) for each in told)
        assert values == [*[b"%d" % number for number in range(MESSAGES)], LAST]


async def configure(address: str, topic: str, name: str, value: str) -> None:
    """Change one setting of a topic."""
    admin = make(AIOKafkaAdminClient, bootstrap_servers=address)
    await admin.start()
    await admin.alter_configs([make(ConfigResource, ConfigResourceType.TOPIC, topic, {name: value})])
    await admin.close()


def test_one_message_that_the_broker_refuses_costs_its_neighbours_nothing(broker: Broker) -> None:
    """A compacted topic takes no message without a key, and refuses the batch that it is in."""
    topic, address = f"compacted-{uuid.uuid4().hex[:10]}", broker.server.address

    async def scenario() -> Sequence[object]:
        async with backend(address) as used:
            await used.create_topic(topic, partitions=1, replication=1)
            await configure(address, topic, "cleanup.policy", "compact")
            keys = [b"a", b"b", None, b"c"]
            sent = [used.publisher.send(topic, Outgoing(b"v", key=key)) for key in keys]
            return await asyncio.gather(*sent, return_exceptions=True)

    results = asyncio.run(scenario())

    refused = results[2]
    assert isinstance(refused, UnknownError)
    assert refused.errno == 87
    others = [results[index] for index in (0, 1, 3)]
    assert [each.offset for each in others if isinstance(each, Receipt)] == [0, 1, 2]
