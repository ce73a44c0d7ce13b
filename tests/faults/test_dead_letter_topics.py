"""A dead-letter topic that cannot be used, on real servers: nothing is dropped or committed past."""

import asyncio
import uuid

import attrs
import pytest
from nats.aio.client import Client
from nats.js.api import DiscardPolicy
from tests.backends.kafka.test_publisher import small_topic
from tests.faults.access import forbid_writing, permit_everything
from tests.faults.clusters import Broker
from tests.faults.members import until

from partita import EventBus, Outgoing, Retry, Router, open_bus
from partita.core.health import Part


@pytest.mark.parametrize("system", ["kafka", "nats"])
def test_a_missing_dead_letter_topic_parks_the_key_until_it_is_there(
    system: str, request: pytest.FixtureRequest
) -> None:
    """The message keeps its place, what comes after it in its key waits, and the error says what to do."""
    topic, seen = f"faults.{uuid.uuid4().hex[:8]}", list[bytes]()
    dead = f"{topic}.dlq"
    router = Router()

    @router.handler(topic, order="key", retry=Retry(attempts=2, backoff=0.0), dead_letter=dead)
    async def charge(order: bytes) -> None:
        seen.append(order)
        if order == b"bad":
            raise ValueError("no")

    async def scenario() -> None:
        async with open_bus(f"{system}://{request.getfixturevalue(system)}") as bus:
            await bus.create_topic(topic, partitions=1)
            orders = [Outgoing(b"bad", key=b"a"), Outgoing(b"after", key=b"a"), Outgoing(b"other", key=b"b")]
            await bus.publish_batch(topic, orders)

            summary = await bus.run(router, group=topic, burst=True)
            (parked,) = summary.parked
            assert (summary.handled, summary.failed) == (1, 1)
            assert parked.error.startswith(f"TopicMissing: there is no topic '{dead}'")
            assert sorted(seen) == [b"bad", b"bad", b"other"]

            seen.clear()
            await bus.create_topic(dead, partitions=1)
            summary = await bus.run(router, group=topic, burst=True)
            assert (summary.handled, summary.failed, len(summary.parked)) == (1, 1, 0)
            assert seen == [b"bad", b"bad", b"after"]
            (letter,) = [each async for each in bus.dead_letters(dead)]
            assert (letter.message.value, letter.attempts) == (b"bad", 2)

            await bus.delete_topic(topic)
            await bus.delete_topic(dead)

    asyncio.run(scenario())


@attrs.frozen
class Forbidden:
    """A topic on Kafka that may be seen and not be written to."""

    address: str
    error = "TopicAuthorizationFailedError"

    async def make(self, bus: EventBus, topic: str) -> None:
        """Make the topic as it is not to be."""
        await bus.create_topic(topic, partitions=1)
        forbid_writing(self.address, topic)

    async def mend(self, bus: EventBus, topic: str) -> None:
        """Make it usable."""
        permit_everything(self.address, topic)


@attrs.frozen
class TooSmall:
    """A topic on Kafka that takes no message as large as a dead letter."""

    address: str
    error = "MessageTooLarge"

    async def make(self, bus: EventBus, topic: str) -> None:
        """Make the topic as it is not to be."""
        await small_topic(self.address, topic, 200)
        while topic not in await bus.list_topics():
            await asyncio.sleep(0.02)

    async def mend(self, bus: EventBus, topic: str) -> None:
        """Make it usable."""
        await bus.delete_topic(topic)
        await bus.create_topic(topic, partitions=1)


@attrs.frozen
class Full:
    """A topic on NATS with a limit that is reached, which refuses what is new."""

    address: str
    error = "ServiceUnavailableError"

    async def make(self, bus: EventBus, topic: str) -> None:
        """Make the topic as it is not to be."""
        await bus.create_topic(topic, partitions=1)
        await self._limit(topic, 1)
        await bus.publish(topic, b"the only one")

    async def mend(self, bus: EventBus, topic: str) -> None:
        """Make it usable."""
        await self._limit(topic, -1)

    async def _limit(self, topic: str, messages: int) -> None:
        client = Client()
        await client.connect(f"nats://{self.address}")
        stream = client.jetstream()
        name = await stream.find_stream_name_by_subject(f"{topic}.0")
        config = (await stream.stream_info(name)).config
        await stream.update_stream(config.evolve(max_msgs=messages, discard=DiscardPolicy.NEW))
        await client.close()


Obstacle = Forbidden | TooSmall | Full


@pytest.fixture(params=["forbidden", "too small", "full"])
def obstacle(request: pytest.FixtureRequest, broker: Broker, nats: str) -> Obstacle:
    """What is wrong with the dead-letter topic."""
    if request.param == "full":
        return Full(nats)
    address = broker.server.address
    return Forbidden(address) if request.param == "forbidden" else TooSmall(address)


def url_of(obstacle: Obstacle) -> str:
    """The bus that an obstacle is on."""
    return f"{'nats' if isinstance(obstacle, Full) else 'kafka'}://{obstacle.address}"


async def red(bus: EventBus, part: str) -> Part:
    """Wait until a part of a bus is not healthy."""
    async with asyncio.timeout(30):
        while (found := (await bus.health_check()).parts.get(part)) is None or found.healthy:
            await asyncio.sleep(0.02)
    return found


@pytest.mark.parametrize("order", ["key", "partition"])
def test_a_dead_letter_topic_that_takes_nothing_parks_its_key_or_partition(
    obstacle: Obstacle, order: str
) -> None:
    """Row 72: health names message and error, the message is not committed and nothing is dropped; what
    may go on does, and all goes on when the topic takes letters again."""
    topic, seen = f"faults.{uuid.uuid4().hex[:8]}", list[bytes]()
    dead, others = f"{topic}.dlq", [b"other"] if order == "key" else []

    async def charge(order: bytes) -> None:
        seen.append(order)
        if order == b"bad":
            raise ValueError("no")

    async def scenario() -> None:
        async with open_bus(url_of(obstacle)) as bus:
            await bus.create_topic(topic, partitions=1)
            await obstacle.make(bus, dead)
            orders = [Outgoing(b"bad", key=b"a"), Outgoing(b"after", key=b"a"), Outgoing(b"other", key=b"b")]
            at = (await bus.publish_batch(topic, orders))[0].offset
            route = {"order": order, "retry": Retry(attempts=1), "dead_letter": dead}
            subscription = await bus.subscribe(topic, charge, group=topic, **route)  # type: ignore[arg-type]
            part = await red(bus, f"{topic}/0")
            await until(lambda: seen == [b"bad", *others], "what may go on has gone on")
            await subscription.drain()
            assert part.reason.startswith(f"{topic}/0@{at} in "), part.reason
            assert f": {obstacle.error}: " in part.reason, part.reason

        seen.clear()
        async with open_bus(url_of(obstacle)) as bus:
            await obstacle.mend(bus, dead)
            subscription = await bus.subscribe(topic, charge, group=topic, **route)  # type: ignore[arg-type]
            left = [] if others else [b"other"]
            await until(lambda: seen == [b"bad", b"after", *left], "the rest is handled")
            await subscription.drain()
            letters = [each.message.value async for each in bus.dead_letters(dead)]
            await bus.delete_topic(topic)
            await bus.delete_topic(dead)

            assert letters == [b"bad"]

    asyncio.run(scenario())
