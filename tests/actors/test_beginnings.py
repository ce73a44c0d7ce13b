"""What happens between an assignment and its first message: the start is stored, and the fence is learnt."""

import asyncio
import logging

import pytest
from tests.actors.scripted import AT, OTHER, Outage, RunningConsumer, ScriptedBroker, Worker
from tests.simulated import pass_time, run, until

from partita.core.offset_map import OffsetMap
from partita.core.ports import Commit


def test_the_fence_is_known_before_the_first_message_and_grows_with_each_assignment() -> None:
    """A handler that saw 0 at first could not tell its store who it is."""
    broker, fences = ScriptedBroker(AT), list[int]()

    async def scenario() -> None:
        async def handle(value: bytes) -> None:
            fences.append(running.consumer.settings.leases.of(*AT).fence)

        running = RunningConsumer(broker, handle)
        async with running:
            broker.member.feed(AT, b"1")
            await until(lambda: len(fences) == 1)
            await broker.member.listener.revoked([AT])
            broker.member.listener.assigned([AT])
            broker.member.feed(AT, b"2")
            await until(lambda: len(fences) == 2)

    run(scenario())

    assert fences == [1, 2]


def test_a_group_begins_where_its_first_message_is() -> None:
    """Nothing is stored yet, so the place of what came first is; a partition without messages waits."""
    broker = ScriptedBroker(AT, OTHER)
    broker.fetch(AT, *[b"gone"] * 7)

    async def scenario() -> None:
        async with RunningConsumer(broker, Worker()):
            broker.member.feed(AT, b"1")
            await until(lambda: broker.stored == {AT: 8})

    run(scenario())

    assert broker.begun == [{AT: Commit(7, OffsetMap(unclean=1).encode(7))}]


def test_messages_wait_while_the_beginning_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """None is handled, none is lost, the other partitions go on, and the reason is told once."""
    broker, worker = ScriptedBroker(AT, OTHER), Worker()
    broker.begin_errors = [Outage("away")] * 3

    async def scenario() -> None:
        async with RunningConsumer(broker, worker) as running:
            broker.member.feed(AT, b"1")
            await until(lambda: len(broker.begun) == 2)
            broker.member.feed(AT, b"2")
            assert not await running.consumer.exhausted()
            await until(lambda: broker.stored.get(AT) == 2)
            assert all(AT in closed for closed in broker.member.polled_closed[2:4])
            await pass_time(0.1)
            assert await running.consumer.exhausted()

    with caplog.at_level(logging.WARNING, "partita.committer"):
        run(scenario())

    assert worker.values == [b"1", b"2"]
    assert [each.getMessage().count("Outage: away") for each in caplog.records].count(1) == 1


def test_what_waits_for_its_beginning_is_dropped_with_its_lease() -> None:
    """The next owner reads it again; kept, it would be handled twice."""
    broker, worker = ScriptedBroker(AT), Worker()
    broker.begin_errors = [Outage("away")] * 2

    async def scenario() -> None:
        async with RunningConsumer(broker, worker):
            broker.member.feed(AT, b"old")
            await until(lambda: broker.begun)
            broker.member.listener.lost([AT])
            broker.member.listener.assigned([AT])
            broker.member.feed(AT, b"new")
            await until(lambda: worker.values)
            await pass_time(5)

    run(scenario())

    assert worker.values == [b"new"]


def test_a_beginning_that_stays_refused_is_the_clients_trouble() -> None:
    """Never silently idle: the consumer starts again with a new client, and its health is red meanwhile."""
    broker, error = ScriptedBroker(AT), Outage("forbidden")
    broker.begin_errors = [error] * 1000

    async def scenario() -> float:
        async with RunningConsumer(broker, Worker()) as running:
            broker.member.feed(AT, b"1")
            await asyncio.wait([running.task])
            assert running.task.exception() is error
            return asyncio.get_running_loop().time()

    seconds, _ = run(scenario())

    assert 30 <= seconds < 31


def test_a_completion_of_an_earlier_assignment_is_counted_and_moves_nothing() -> None:
    """A has it, loses it, B has it, A has it again: what the first A finishes then is not the second's."""
    broker, ended, gates = ScriptedBroker(AT), list[bytes](), [asyncio.Event(), asyncio.Event()]

    async def handle(value: bytes) -> None:
        gate = gates[len(started)]
        started.append(value)
        while not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                continue  # on purpose: a handler may do such a thing, and nothing of ours is half-done
        ended.append(value)

    started = list[bytes]()

    async def scenario() -> None:
        async with RunningConsumer(broker, handle, order="key") as running:
            broker.member.feed(AT, b"1")
            await until(lambda: started == [b"1"])
            broker.member.listener.lost([AT])
            broker.member.listener.assigned([AT])
            broker.rewind(AT)
            broker.member.feed(AT, b"1", b"2")
            await until(lambda: started == [b"1", b"1"])
            gates[0].set()
            await until(lambda: ended == [b"1"])
            await pass_time(5)
            assert (running.consumer.handled, running.consumer.late_completions) == (0, 1)
            assert broker.stored == {AT: 0}
            gates.append(gates[1])
            gates[1].set()
            await until(lambda: broker.stored == {AT: 2})
            assert (running.consumer.handled, running.consumer.late_completions) == (2, 1)

    run(scenario())
