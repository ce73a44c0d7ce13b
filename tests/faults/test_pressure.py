"""A member that is full for longer than a poll may take, and workers asked to end while they start."""

import asyncio
import signal
import uuid
from pathlib import Path

import pytest
from tests.faults.members import until
from tests.workers.running import running

from partita import FlowLimits, Outgoing, StateName, open_bus

MODULE = """
from partita import Router

router = Router()


@router.handler("{topic}")
async def handle(value: bytes) -> None:
    print("handled", flush=True)
"""


def test_a_member_that_is_full_for_longer_than_a_poll_may_take_stays_one(kafka: str) -> None:
    """It polls for nothing meanwhile, says what it waits for, and goes on where it was."""
    topic, go, handled = f"faults-{uuid.uuid4().hex[:10]}", asyncio.Event(), list[bytes]()

    async def handle(value: bytes) -> None:
        await go.wait()
        handled.append(value)

    async def scenario() -> None:
        limits = FlowLimits(partition_bytes=5_000, partition_unfinished=4)
        url = f"kafka://{kafka}?max_poll_interval_ms=1000&max_partition_fetch_bytes=10000"
        async with open_bus(url, limits=limits) as bus:
            await bus.create_topic(topic, partitions=2)
            await bus.publish_batch(topic, [Outgoing(b"x" * 1000, partition=n % 2) for n in range(100)])
            member = await bus.subscribe(topic, handle, group=topic, order="none", concurrency=64)
            consumer = member.consumers[0]
            await until(lambda: len(consumer.partitions) == 2, "both are here")
            before = {at: each.lease.epoch for at, each in consumer.partitions.items()}
            clock = asyncio.get_running_loop()
            since = clock.time()
            await until(lambda: clock.time() > since + 2.5, "the poll interval is over twice")
            assert {each.name for each in bus.states()} == {StateName.FLOWING}
            assert (await bus.health_check()).healthy
            assert before == {at: each.lease.epoch for at, each in consumer.partitions.items()}
            go.set()
            await until(lambda: len(handled) == 100, "all are handled")
            assert consumer.restarts == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("broker", ["kafka", "nats"])
def test_a_worker_that_is_asked_to_end_while_it_starts_ends(
    broker: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """At once after its first line, before it has joined: cleanly, and without waiting for anything."""
    topic = f"faults.{uuid.uuid4().hex[:10]}"
    (tmp_path / "starting.py").write_text(MODULE.format(topic=topic))
    url = f"{broker}://{request.getfixturevalue(broker)}"
    arguments = ("run", "starting:router", "--bus", url, "--group", topic, "--create-topics")

    with running(tmp_path, *arguments) as worker:
        worker.says("bus ")
        worker.send(signal.SIGTERM)

        assert worker.ends() == 0
