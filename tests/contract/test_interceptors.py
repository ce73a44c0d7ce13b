"""Functions at the client's edge, on every backend."""

import asyncio
from typing import Any

import attrs
import pytest
from tests.contract.world import World

from partita import Batch, Message, Outgoing, PublishErrors, Retry, Router, open_bus


class Refused(Exception):
    """What an interceptor raises."""


def signed(topic: str, message: Outgoing) -> Outgoing:
    """Add a header, and refuse some."""
    if message.value == b"bad":
        raise Refused("bad")
    return attrs.evolve(message, headers=[*message.headers, ("signed", topic.encode())])


def counted(topic: str, message: Outgoing) -> Outgoing:
    """Comes after the other one and sees what it did."""
    assert message.headers
    return message


def test_every_message_goes_through_in_order_and_a_refusal_is_its_own(world: World) -> None:
    """However it is published; others are not affected, and what was raised arrives as it was raised."""

    async def scenario() -> None:
        seen: list[tuple[bytes | None, bytes]] = []

        async def note(message: Message) -> None:
            seen.append((message.value, dict(message.headers)["signed"]))

        async with world.topic(partitions=1) as (_, topic):
            async with open_bus(world.url, on_publish=[signed, counted]) as bus:
                await bus.publish(topic, b"1")
                await bus.send(topic, b"2")
                with pytest.raises(PublishErrors) as some:
                    await bus.publish_batch(topic, [b"3", b"bad", b"4"])
                with pytest.raises(Refused):
                    await bus.publish(topic, b"bad")
                delivery = bus.send(topic, b"bad")
                with pytest.raises(Refused):
                    await delivery
                await bus.flush()
                router = Router()
                router.handler(topic)(note)
                await bus.run(router, group=topic, burst=True)

            assert [type(each) for each in some.value.errors.values()] == [Refused]
            assert seen == [(value, topic.encode()) for value in (b"1", b"2", b"3", b"4")]

    asyncio.run(scenario())


def test_every_record_goes_through_before_its_handler_and_an_error_is_that_attempts(world: World) -> None:
    """The client's own record; the message is tried again like any other, one by one in a batch as well."""

    async def scenario() -> None:
        seen: list[int] = []
        handled: list[bytes | None] = []

        def noted(record: Any) -> Any:
            seen.append(bus.reader.offset(record))
            if bus.reader.value(record) == b"bad" and len(seen) < 4:
                raise Refused("not yet")
            return record

        async def note(value: bytes) -> None:
            handled.append(value)

        async def store(batch: Batch) -> None:
            handled.extend(batch.values)

        async with world.topics(2, partitions=1) as (plain, topics):
            for topic in topics:
                await plain.publish_batch(topic, [b"good", b"bad"])
            async with open_bus(world.url, on_consume=[noted]) as bus:
                router = Router(retry=Retry(attempts=6, backoff=0.01))
                router.handler(topics[0])(note)
                summary = await bus.run(router, group=topics[0], burst=True)
                assert (summary.handled, summary.failed, handled) == (2, 0, [b"good", b"bad"])
                assert len(seen) == 4
                handled.clear()
                seen.clear()
                router = Router(retry=Retry(attempts=6, backoff=0.01))
                router.batch_handler(topics[1], size=2, within=5.0)(store)
                summary = await bus.run(router, group=topics[1], burst=True)

            assert (summary.handled, summary.failed) == (2, 0)
            assert sorted(filter(None, handled)) == [b"bad", b"good"]

    asyncio.run(scenario())
