"""A thousand partitions in one process: what they have in hand together is bounded, and nobody is starved."""

import asyncio

from tests.actors.scripted import RunningConsumer, ScriptedBroker
from tests.simulated import pass_time, run, until

from partita import FlowLimits
from partita.core.ports import TopicPartition
from partita.core.process_flow import ProcessFlow

MANY = [TopicPartition("orders", number) for number in range(1000)]
PAYLOAD = b"x" * 1000


def test_a_thousand_partitions_hold_no_more_than_their_process_may() -> None:
    """Each could hold 4 MiB by itself; all that waits is handled in the end."""
    broker, flow, most = ScriptedBroker(*MANY), ProcessFlow(FlowLimits(bytes=100_000)), 0
    broker.flow = flow
    broker.fetches_per_poll = 20

    async def handle(value: bytes) -> None:
        nonlocal most
        most = max(most, flow.held)
        await pass_time(0.001)

    async def scenario() -> None:
        async with RunningConsumer(broker, handle, order="none", concurrency=100) as running:
            for at in MANY:
                broker.member.feed(at, *[PAYLOAD] * 2)
            await until(lambda: running.consumer.handled == 2000)
            await pass_time(1)

    run(scenario())

    # At the limit, one poll more of 20 fetches of 2 KB, and for each of 100 calls its message.
    assert 90_000 < most <= 100_000 + 20 * 2000 + 100 * 1000
    assert flow.held == flow.unfinished == 0


def test_those_who_hold_much_do_not_stop_those_who_hold_nothing() -> None:
    """All room is taken by messages whose handlers hang; the other partition is read all the same."""
    first, second = MANY[:2]
    broker, flow, done = ScriptedBroker(first, second), ProcessFlow(FlowLimits(bytes=1000)), list[bytes]()
    broker.flow = flow

    async def handle(value: bytes) -> None:
        if value == PAYLOAD:
            await asyncio.Event().wait()
        done.append(value)

    async def scenario() -> None:
        async with RunningConsumer(broker, handle, drain_timeout=1.0):
            broker.member.feed(first, PAYLOAD)
            await until(lambda: flow.closed)
            for number in range(5):
                broker.member.feed(second, b"%d" % number)
            await until(lambda: len(done) == 5, seconds=60)
            assert flow.closed
            assert first in broker.member.polled_closed[-1]

    run(scenario())

    assert flow.held == flow.unfinished == 0


def test_a_full_process_goes_on_everywhere_when_half_of_it_is_finished() -> None:
    """Also in a partition where nothing has ended meanwhile."""
    first, second = MANY[:2]
    broker, flow = ScriptedBroker(first, second), ProcessFlow(FlowLimits(unfinished=8))
    broker.flow = flow
    started, gate = list[bytes](), asyncio.Event()

    async def handle(value: bytes) -> None:
        started.append(value)
        await gate.wait()
        await pass_time(0.1 if value == b"a" else 50)

    async def scenario() -> None:
        async with RunningConsumer(broker, handle, order="none", concurrency=100):
            broker.member.feed(first, *[b"a"] * 7)
            await until(lambda: len(started) == 7)
            broker.member.feed(second, *[b"b"] * 5)
            await pass_time(1)
            assert started == [b"a"] * 7 + [b"b"]
            gate.set()
            await pass_time(1)
            assert started == [b"a"] * 7 + [b"b"] * 5

    run(scenario())
