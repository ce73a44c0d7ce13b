"""Giving partitions up: what is in hand is finished and exactly that is committed, within a deadline."""

import asyncio

import anyio
import pytest
from tests.actors.scripted import AT, OTHER, QUICK, Outage, RunningConsumer, ScriptedBroker
from tests.simulated import pass_time, run, until


class Slow:
    """A handler that takes its time, and can be stuck for ever on one value."""

    def __init__(self, seconds: float, stuck_on: bytes = b"stuck") -> None:
        self.seconds, self.stuck_on = seconds, stuck_on
        self.started: list[bytes] = []
        self.done: list[bytes] = []

    async def __call__(self, value: bytes) -> None:
        self.started.append(value)
        if value == self.stuck_on:
            await anyio.sleep_forever()
        await pass_time(self.seconds)
        self.done.append(value)


def test_a_drain_finishes_what_is_in_hand_and_commits_exactly_that() -> None:
    """The message after it is not started, and the one before it is not repeated."""
    handler, broker = Slow(10), ScriptedBroker(AT)

    async def scenario() -> None:
        async with RunningConsumer(broker, handler) as running:
            broker.member.feed(AT, b"1", b"2", b"3", b"4")
            await until(lambda: handler.started == [b"1", b"2"])
            await running.consumer.drain()
            await running.task
            assert broker.member.closed
            assert running.consumer.handled == 2
            assert running.consumer.abandoned == 0

    run(scenario())

    assert [b"1", b"2"] == handler.started == handler.done
    assert broker.stored == {AT: 2}


def test_a_revocation_gives_up_only_its_own_partitions() -> None:
    """The others go on, and what is revoked is committed before it goes."""
    handler, broker = Slow(1), ScriptedBroker(AT, OTHER)

    async def scenario() -> None:
        async with RunningConsumer(broker, handler) as running:
            broker.member.feed(AT, b"1", b"2", b"3")
            broker.member.feed(OTHER, b"a", b"b")
            await until(lambda: b"2" in handler.started)
            await broker.member.listener.revoked([AT])
            assert broker.stored[AT] == 2
            assert list(running.consumer.partitions) == [OTHER]
            await until(lambda: broker.stored.get(OTHER) == 2)
            assert running.consumer.handled == 4

    run(scenario())

    assert b"3" not in handler.started


def test_what_is_not_owned_cannot_be_revoked() -> None:
    """A client may name partitions that were lost before."""
    handler, broker = Slow(1), ScriptedBroker(AT)

    async def scenario() -> None:
        async with RunningConsumer(broker, handler) as running:
            await broker.member.listener.revoked([OTHER])
            broker.member.listener.lost([OTHER])
            assert list(running.consumer.partitions) == [AT]

    run(scenario())


@pytest.mark.parametrize("attempts", [QUICK.attempts, 1])
def test_a_message_that_waits_does_not_hold_up_a_drain(attempts: int) -> None:
    """Neither for its next attempt nor parked; it stays unfinished for the next owner."""
    broker, calls = ScriptedBroker(AT), list[bytes]()

    async def handle(value: bytes) -> None:
        calls.append(value)
        if value == b"2":
            raise ValueError("no")

    retry = type(QUICK)(attempts=attempts, backoff=30.0)

    async def scenario() -> float:
        async with RunningConsumer(broker, handle, retry=retry) as running:
            broker.member.feed(AT, b"1", b"2", b"3")
            await until(lambda: len(calls) == 2)
            began = asyncio.get_running_loop().time()
            await running.consumer.drain()
            return asyncio.get_running_loop().time() - began

    seconds, _ = run(scenario())

    assert seconds == 0.0
    assert broker.stored == {AT: 1}
    assert calls == [b"1", b"2"]


def test_the_deadline_abandons_a_handler_that_hangs() -> None:
    """What was finished is committed; the message in hand is for the next owner."""
    handler, broker = Slow(0.1), ScriptedBroker(AT, OTHER)

    async def scenario() -> float:
        async with RunningConsumer(broker, handler, drain_timeout=5.0) as running:
            broker.member.feed(AT, b"1", b"stuck", b"2")
            broker.member.feed(OTHER, b"a")
            await until(lambda: b"stuck" in handler.started)
            began = asyncio.get_running_loop().time()
            await running.consumer.drain()
            await running.task
            assert running.consumer.abandoned == 1
            assert running.consumer.handled == 2
            return asyncio.get_running_loop().time() - began

    seconds, _ = run(scenario())

    assert pytest.approx(seconds) == 5.0
    assert broker.stored == {AT: 1, OTHER: 1}


def test_a_lost_partition_is_left_at_once_and_not_committed() -> None:
    """Somebody else has it already; a late completion moves nothing."""
    handler, broker = Slow(1), ScriptedBroker(AT)

    async def scenario() -> None:
        async with RunningConsumer(broker, handler) as running:
            broker.member.feed(AT, b"1", b"2")
            await until(lambda: handler.started == [b"1", b"2"])
            partition, stored = running.consumer.partitions[AT], dict(broker.stored)
            broker.member.listener.lost([AT])
            await pass_time(10)
            assert stored == broker.stored
            assert not partition.lease.may_commit
            assert running.consumer.partitions == {}

    run(scenario())

    assert handler.done == [b"1"]


def test_a_partition_that_is_lost_while_it_is_revoked_ends_the_wait() -> None:
    """The revocation has nothing left to wait for, and must not touch the partition's next life."""
    handler, broker = Slow(20), ScriptedBroker(AT)

    async def scenario() -> None:
        async with RunningConsumer(broker, handler) as running, asyncio.TaskGroup() as tasks:
            broker.member.feed(AT, b"1")
            await until(lambda: handler.started)
            revoked = tasks.create_task(broker.member.listener.revoked([AT]))
            await pass_time(1)
            broker.member.listener.lost([AT])
            broker.member.listener.assigned([AT])
            await pass_time(0.01)
            assert revoked.done()
            assert list(running.consumer.partitions) == [AT]
            broker.member.feed(AT, b"2")
            await until(lambda: handler.done == [b"2"])

    run(scenario())


def test_a_message_counts_once_when_a_drain_and_a_revocation_meet() -> None:
    """Two members that stop at once revoke each other while they drain."""
    handler, broker = Slow(10), ScriptedBroker(AT)

    async def scenario() -> None:
        async with RunningConsumer(broker, handler) as running:
            broker.member.feed(AT, b"1", b"2")
            await until(lambda: handler.started == [b"1", b"2"])
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(broker.member.listener.revoked([AT]))
                tasks.create_task(running.consumer.drain())
            assert running.consumer.handled == 2

    run(scenario())

    assert broker.stored == {AT: 2}


def test_what_is_assigned_during_a_drain_is_not_taken_up() -> None:
    """A rebalance must not bring new work to a member that goes."""
    handler, broker = Slow(10), ScriptedBroker(AT)

    async def scenario() -> None:
        async with RunningConsumer(broker, handler) as running, asyncio.TaskGroup() as tasks:
            broker.member.feed(AT, b"1")
            await until(lambda: handler.started)
            tasks.create_task(running.consumer.drain())
            await pass_time(1)
            broker.member.listener.assigned([OTHER])
            broker.member.feed(OTHER, b"a")
            broker.member.feed(AT, b"2")
            await running.task

    run(scenario())

    assert handler.started == [b"1"]


def test_a_drain_before_the_start_is_no_drain_of_anything() -> None:
    """Nothing was joined, so there is nothing to leave."""
    running = RunningConsumer(ScriptedBroker(AT), Slow(1))

    async def scenario() -> float:
        await running.consumer.drain()
        return asyncio.get_running_loop().time()

    assert run(scenario()) == (0.0, 0.0)


def test_a_drain_waits_for_a_pump_that_crashed_no_longer_than_its_deadline() -> None:
    """Its back-off is part of the time that a drain has."""
    handler, broker = Slow(1), ScriptedBroker(AT)

    async def scenario() -> float:
        async with RunningConsumer(broker, handler, drain_timeout=5.0) as running:
            fetch = broker.fetch(AT, b"1")
            fetch.records = map(int, ["no number"])
            broker.member.feed_fetch(fetch)
            await pass_time(0.01)
            await running.consumer.drain()
            return asyncio.get_running_loop().time()

    seconds, _ = run(scenario())

    assert seconds <= 5.1
    assert broker.stored == {AT: 0}


def test_a_commit_that_is_refused_during_a_drain_is_sent_again() -> None:
    """A rebalance refuses commits for a moment; a clean stop repeats nothing all the same."""
    handler, broker = Slow(1), ScriptedBroker(AT)

    async def scenario() -> None:
        async with RunningConsumer(broker, handler) as running, asyncio.TaskGroup() as tasks:
            broker.refused = {AT: Outage("a rebalance is under way")}
            broker.commit_errors = [Outage("no answer")]
            broker.member.feed(AT, b"1", b"2")
            await until(lambda: handler.started == [b"1", b"2"])
            tasks.create_task(running.consumer.drain())
            await pass_time(2)
            broker.refused = {}
            await running.task

    run(scenario())

    assert broker.stored == {AT: 2}


def test_a_commit_that_stays_refused_holds_a_drain_up_for_five_seconds() -> None:
    """The drain is bounded; what was not stored is read again by the next owner."""
    handler, broker = Slow(1), ScriptedBroker(AT)
    broker.refused = {AT: Outage("away")}

    async def scenario() -> float:
        async with RunningConsumer(broker, handler) as running:
            broker.member.feed(AT, b"1")
            await until(lambda: handler.done == [b"1"])
            began = asyncio.get_running_loop().time()
            await running.consumer.drain()
            assert running.consumer.uncommitted == [AT]
            return asyncio.get_running_loop().time() - began

    seconds, _ = run(scenario())

    assert 5.0 <= seconds <= 5.2
    assert broker.stored == {AT: 0}


def test_what_a_lost_partition_had_not_stored_is_told_until_somebody_has_it() -> None:
    """A member that ends before the broker says so has left work to be done again."""
    handler, broker = Slow(1), ScriptedBroker(AT)
    broker.refused = {AT: Outage("away")}

    async def scenario() -> None:
        async with RunningConsumer(broker, handler) as running:
            broker.member.feed(AT, b"1")
            await until(lambda: handler.done == [b"1"])
            broker.member.listener.lost([AT])
            assert running.consumer.uncommitted == [AT]
            await pass_time(6)
            assert running.consumer.uncommitted == []
            broker.member.listener.assigned([AT])
            await running.consumer.drain()
            assert running.consumer.uncommitted == []

    run(scenario())


def test_a_second_assignment_without_a_revocation_ends_the_first() -> None:
    """Never two pumps for one partition: the first stops and commits nothing, the second reads again."""
    handler, broker = Slow(1), ScriptedBroker(AT)

    async def scenario() -> int:
        async with RunningConsumer(broker, handler) as running:
            broker.member.feed(AT, b"1")
            await until(lambda: handler.started == [b"1"])
            first = running.consumer.partitions[AT]
            broker.member.listener.assigned([AT])
            broker.member.feed(AT, b"again")
            await until(lambda: handler.done == [b"again"])
            assert not first.lease.may_commit
            return len(running.consumer.partitions)

    partitions, _ = run(scenario())

    assert (partitions, handler.done) == (1, [b"again"])
