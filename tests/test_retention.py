"""Retries that outlast what the broker keeps are refused: a restart would find nothing to try again."""

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping

import nats as nats_client
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from tests.faulty import FaultyBackend

from partita import Retry, RouteError, Router, open_bus
from partita.backends.kafka import open_backend as open_kafka
from partita.backends.nats import open_backend as open_nats
from partita.backends.nats.names import stream_name
from partita.retention import check_retention

HERE = re.escape(__file__)


class Forgetful(FaultyBackend):
    """A broker that keeps messages for a while."""

    def __init__(self, kept: Mapping[str, float]) -> None:
        super().__init__()
        self.kept = kept

    async def retention(self, topics: Collection[str]) -> Mapping[str, float]:
        """What it keeps, for those that are asked for."""
        return {topic: self.kept[topic] for topic in topics if topic in self.kept}


async def handle(value: bytes) -> None:
    """Handle."""


def check(source: str | re.Pattern[str], retry: Retry, kept: Mapping[str, float]) -> None:
    """Check a route against what a broker keeps."""
    router = Router(retry=retry)
    router.handler(source)(handle)
    asyncio.run(check_retention(router.routes, Forgetful(kept), ["orders", "orders.eu", "bills"]))


@pytest.mark.parametrize("source", ["orders", re.compile(r"ord.*rs")], ids=["name", "pattern"])
def test_refuses_a_retry_that_outlasts_what_its_topic_keeps(source: str | re.Pattern[str]) -> None:
    """Named or matched; the error says where, how long, and what to do."""
    told = (
        rf"handle \({HERE}:\d+\): its retries take 7 s, and 'orders' keeps a message for 7 s, so it may be "
        "gone before its last attempt; give Retry fewer attempts"
    )

    with pytest.raises(RouteError, match=told):
        check(source, Retry(attempts=4, backoff=1.0), {"orders": 7.0})


def test_takes_what_ends_in_time_and_what_nobody_tells_of() -> None:
    """Other topics are of no concern, and a route that never tries again is always in time."""
    check("orders", Retry(attempts=4, backoff=1.0), {"orders": 7.1, "orders.eu": 1.0, "bills": 1.0})
    check("orders", Retry(attempts=10**6), {})
    check("orders", Retry(attempts=1), {"orders": 0.5})
    check("absent", Retry(attempts=10**6), {"orders": 1.0})


async def keep_on_kafka(address: str, topic: str, **settings: str) -> None:
    """Change the settings of a topic, with the client alone."""
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()  # type: ignore[no-untyped-call]
    changed = ConfigResource(ConfigResourceType.TOPIC, topic, settings)  # type: ignore[no-untyped-call]
    await admin.alter_configs([changed])
    await admin.close()  # type: ignore[no-untyped-call]


def test_kafka_tells_how_long_a_topic_keeps_its_messages(kafka: str) -> None:
    """Not of one that keeps all, compacts only, or does not exist."""
    names = [f"retention.{uuid.uuid4().hex[:8]}" for _ in range(4)]
    settings = [{"retention.ms": "90000"}, {"retention.ms": "-1"}, {"cleanup.policy": "compact"}]

    async def scenario() -> Mapping[str, float]:
        async with open_bus(f"kafka://{kafka}") as bus:
            for topic, given in zip(names, settings, strict=False):
                await bus.create_topic(topic, partitions=1)
                await keep_on_kafka(kafka, topic, **given)
            backend = open_kafka(f"kafka://{kafka}", {})
            await backend.open()
            try:
                assert await backend.retention([]) == {}
                return await backend.retention(names)
            finally:
                await backend.close()
                for topic in names[:3]:
                    await bus.delete_topic(topic)

    assert asyncio.run(scenario()) == {names[0]: 90.0}


async def keep_on_nats(address: str, topic: str, seconds: float) -> None:
    """Change the age of a topic's messages, with the client alone."""
    client = await nats_client.connect(f"nats://{address}")
    info = await client.jetstream().stream_info(stream_name(topic))
    await client.jetstream().update_stream(info.config.evolve(max_age=seconds, duplicate_window=1.0))
    await client.close()


def test_nats_tells_how_long_a_topic_keeps_its_messages(nats: str) -> None:
    """Not of one that keeps all, nor of one that does not exist."""
    names = [f"retention.{uuid.uuid4().hex[:8]}" for _ in range(3)]

    async def scenario() -> Mapping[str, float]:
        async with open_bus(f"nats://{nats}") as bus:
            for topic in names[:2]:
                await bus.create_topic(topic, partitions=1)
            await keep_on_nats(nats, names[0], 150.0)
            backend = open_nats(f"nats://{nats}", {})
            await backend.open()
            try:
                return await backend.retention(names)
            finally:
                await backend.close()
                for topic in names[:2]:
                    await bus.delete_topic(topic)

    assert asyncio.run(scenario()) == {names[0]: 150.0}


@pytest.mark.parametrize("system", ["kafka", "nats"])
def test_a_run_is_refused_before_anything_is_consumed(system: str, request: pytest.FixtureRequest) -> None:
    """On the real broker, by `run` and by `check`."""
    address, topic = request.getfixturevalue(system), f"retention.{uuid.uuid4().hex[:8]}"
    keep: Mapping[str, Callable[[], Awaitable[None]]] = {
        "kafka": lambda: keep_on_kafka(address, topic, **{"retention.ms": "3000"}),
        "nats": lambda: keep_on_nats(address, topic, 3.0),
    }
    router = Router(retry=Retry(attempts=100))
    router.handler(topic)(handle)

    async def scenario() -> None:
        async with open_bus(f"{system}://{address}") as bus:
            await bus.create_topic(topic, partitions=1)
            await keep[system]()
            try:
                with pytest.raises(RouteError, match=f"{re.escape(repr(topic))} keeps a message for 3 s"):
                    await bus.run(router, group=topic, burst=True)
                with pytest.raises(RouteError, match="keeps a message for 3 s"):
                    await bus.check(router, group=topic)
            finally:
                await bus.delete_topic(topic)

    asyncio.run(scenario())
