"""When offsets are committed, and what a refusal means."""

import asyncio
import logging

import pytest
from tests.actors.scripted import AT, OTHER, NoPump, RunningConsumer, ScriptedBroker, Worker, routes_to
from tests.simulated import pass_time, run, until

from partita.actors.committer import Committer
from partita.actors.partition import Partition
from partita.core.commits import CommitPolicy
from partita.core.finished import Finished
from partita.core.flow import FlowGate
from partita.core.leases import Lease
from partita.core.offset_map import OffsetMap


def test_commits_within_a_second_while_a_partition_is_busy() -> None:
    """The message in hand is not waited for, nor is it committed."""
    broker = ScriptedBroker(AT)

    async def handle(value: bytes) -> None:
        await pass_time(0.7)

    async def scenario() -> None:
        async with RunningConsumer(broker, handle):
            broker.member.feed(AT, *[b"x"] * 10)
            await pass_time(3.5)

    run(scenario())

    assert [each[AT] for each in broker.commits if each[AT]] == [1, 2, 4]


def test_commits_at_once_after_many_messages() -> None:
    """The interval is not waited for when much would be repeated."""
    broker, policy = ScriptedBroker(), CommitPolicy(interval=60.0, every=100)

    async def scenario() -> None:
        partition = Partition(Lease(AT), routes_to(Worker()), FlowGate(), NoPump())
        committer = Committer(broker.subscribe(None), lambda: [partition], policy)  # type: ignore[arg-type]
        running = asyncio.get_running_loop().create_task(committer.run())
        partition.ledger.read_to(150)
        committer.finished(99)
        await pass_time(1)
        assert broker.commits == []
        committer.finished(1)
        await pass_time(0.01)
        assert broker.commits == [{AT: 150}]
        committer.idle()
        committer.idle()
        running.cancel()
        await asyncio.wait([running])

    run(scenario())


def test_partitions_that_go_idle_together_share_a_request() -> None:
    """One request for all that moved."""
    broker = ScriptedBroker(AT, OTHER)

    async def scenario() -> None:
        async with RunningConsumer(broker, Worker()):
            broker.member.feed(AT, b"1")
            broker.member.feed(OTHER, b"a", b"b")
            await until(lambda: broker.stored == {AT: 1, OTHER: 2}, seconds=0.2)
            await pass_time(10)

    run(scenario())

    assert broker.commits == [{AT: 1, OTHER: 2}]


def test_a_refused_offset_goes_with_the_next_commit(caplog: pytest.LogCaptureFixture) -> None:
    """It is told once, not every second, and is not lost."""
    broker = ScriptedBroker(AT, OTHER)
    broker.refused = {AT: RuntimeError("rebalance")}

    async def scenario() -> None:
        async with RunningConsumer(broker, Worker()):
            broker.member.feed(AT, b"1")
            broker.member.feed(OTHER, b"a")
            await pass_time(5.5)
            assert broker.stored == {AT: 0, OTHER: 1}
            broker.refused = {}
            await until(lambda: broker.stored == {AT: 1, OTHER: 1})

    with caplog.at_level(logging.WARNING, "partita.committer"):
        run(scenario())

    told = [each.getMessage() for each in caplog.records if each.name == "partita.committer"]
    assert told == ["offsets of orders/0 not stored: RuntimeError: rebalance; they go with the next commit"]
    assert len(broker.commits) >= 5


def test_health_is_red_while_offsets_have_not_been_stored_for_long() -> None:
    """A group that may not commit repeats everything after a restart, and somebody has to be told."""
    broker = ScriptedBroker(AT)
    broker.refused = {AT: RuntimeError("not allowed")}

    async def scenario() -> list[str]:
        async with RunningConsumer(broker, Worker()) as running:
            broker.member.feed(AT, b"1")
            told = []
            for seconds in (5, 10, 2):
                await pass_time(seconds)
                told.append(running.consumer.parts["consumer billing"].reason)
                broker.refused = {} if told[-1] else broker.refused
            return told

    told, _ = run(scenario())

    assert told == ["", "offsets are not stored: RuntimeError: not allowed", ""]


def test_what_finishes_above_an_unfinished_message_is_committed_though_the_offset_stands_still() -> None:
    """A restart must not repeat it however long the message below it takes."""
    broker = ScriptedBroker()
    partition = Partition(Lease(AT), routes_to(Worker()), FlowGate(), NoPump())
    partition.ledger.read_to(10)
    stored: list[tuple[int, list[tuple[int, int]]]] = []

    async def scenario() -> None:
        committer = Committer(broker.subscribe(None), lambda: [partition], CommitPolicy())  # type: ignore[arg-type]
        for finished in (Finished(), Finished.of([12]), Finished.of([12]), Finished.of([12, 13, 20])):
            partition.resume(finished)
            await committer.commit()
            found = OffsetMap.decode(broker.stored[AT], broker.metadata[AT])
            stored.append((broker.stored[AT], list(found.finished.runs())))

    run(scenario())

    assert stored == [(10, []), (10, [(12, 13)]), (10, [(12, 13)]), (10, [(12, 14), (20, 21)])]
    assert len(broker.commits) == 3


def test_never_commits_under_an_ended_lease() -> None:
    """What was lost belongs to somebody else."""
    broker = ScriptedBroker()
    partition = Partition(Lease(AT), routes_to(Worker()), FlowGate(), NoPump())
    partition.ledger.read_to(10)
    partition.lease.end()

    async def scenario() -> None:
        committer = Committer(broker.subscribe(None), lambda: [partition], CommitPolicy())  # type: ignore[arg-type]
        await committer.commit()

    run(scenario())

    assert broker.commits == []
