"""A handler that blocks for longer than the broker waits for a heartbeat: its member stays in the group."""

import asyncio
import logging
import time
import uuid

import pytest
from tests.actors import crunching
from tests.faults.members import until

from partita import EventBus, Message, open_bus

SESSION = 2.0  # seconds after which the broker throws out a member that it does not hear
OPTIONS = f"session_timeout_ms={int(SESSION * 1000)}&heartbeat_interval_ms=200"


def block(message: Message) -> None:
    """Hold a thread for longer than a session lasts."""
    if message.value == b"sleep 3":
        time.sleep(1.5 * SESSION)


@pytest.mark.parametrize("run", ["thread", "process"])
def test_membership_is_kept_whatever_a_handler_takes(
    run: str, kafka: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One assignment and no rebalance; other partitions go on meanwhile, and nothing is handled twice."""
    topic = f"blocking.{uuid.uuid4().hex[:8]}"
    handler = crunching.crunch if run == "process" else block

    async def scenario(bus: EventBus) -> None:
        await bus.create_topic(topic, partitions=2)
        await bus.publish(topic, b"sleep 3", partition=0)
        for number in range(20):
            await bus.publish(topic, b"%d" % number, partition=number % 2)
        subscription = await bus.subscribe(topic, handler, group=topic, run=run)  # type: ignore[arg-type]
        await until(lambda: subscription.handled >= 10, "the other partition goes on")
        await until(lambda: subscription.handled >= 21, "the one that blocks has ended")
        await subscription.drain()
        assert (subscription.summary.handled, subscription.summary.failed) == (21, 0)
        await bus.delete_topic(topic)

    async def main() -> None:
        async with open_bus(f"kafka://{kafka}?{OPTIONS}") as bus:
            await scenario(bus)

    with caplog.at_level(logging.INFO, "partita.consumer"):
        asyncio.run(main())

    told = [each.getMessage() for each in caplog.records if each.name == "partita.consumer"]
    assert [line for line in told if "assigned" in line] == [f"{topic}: assigned {topic}/0, {topic}/1"]
    assert [line for line in told if "lost" in line or "revoked" in line] == []
