"""A dead-letter topic that cannot be used, on real servers: nothing is dropped or committed past."""

import asyncio
import uuid

import pytest

from partita import Outgoing, Retry, Router, open_bus


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
