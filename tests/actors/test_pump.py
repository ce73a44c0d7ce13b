"""The pump: order, kinds, limits, and what it leaves to others."""

import asyncio

from tests.actors.scripted import (
    AT,
    OTHER,
    QUICK,
    READER,
    RunningConsumer,
    ScriptedBroker,
    Worker,
    routes_to,
)
from tests.simulated import pass_time, run, until

from partita.actors.routes import TopicRoutes
from partita.core.ports import TopicPartition
from partita.core.retries import Retry


def test_handles_messages_in_order_and_commits_behind_the_last() -> None:
    """The whole way of a partition without trouble."""
    worker, broker = Worker(), ScriptedBroker(AT)

    async def scenario() -> None:
        async with RunningConsumer(broker, worker) as running:
            broker.member.feed(AT, b"1", b"2")
            broker.member.feed(AT, b"3")
            await until(lambda: broker.stored.get(AT) == 3)
            await pass_time(3)
            assert [each.name.value for each in running.consumer.states] == ["caught up"]
            assert running.consumer.handled == 3

    run(scenario())

    assert worker.values == [b"1", b"2", b"3"]


def test_other_partitions_go_on_beside_a_parked_message() -> None:
    """Only its own partition waits for it."""
    broker, seen = ScriptedBroker(AT, OTHER), list[bytes]()

    async def handle(value: bytes) -> None:
        if value == b"poison":
            raise ValueError("no")
        seen.append(value)

    async def scenario() -> None:
        async with RunningConsumer(broker, handle):
            broker.member.feed(AT, b"poison", b"behind")
            broker.member.feed(OTHER, b"1", b"2")
            await until(lambda: broker.stored.get(OTHER) == 2)

    run(scenario())

    assert seen == [b"1", b"2"]


def test_a_message_that_fails_at_once_for_ever_leaves_the_loop_to_others() -> None:
    """Retries without a wait must not freeze heartbeats."""
    worker = Worker(*[ValueError("no")] * 500)
    broker = ScriptedBroker(AT)

    async def scenario() -> None:
        async with RunningConsumer(broker, worker, retry=Retry(attempts=1000, backoff=0.0)):
            broker.member.feed(AT, b"1")
            for _ in range(50):
                await asyncio.sleep(0)
            assert worker.calls
            assert len(worker.calls) < 500
            await until(lambda: broker.stored.get(AT) == 1)

    run(scenario())

    assert len(worker.calls) == 501


def test_a_drain_starts_nothing_that_waits_for_its_turn() -> None:
    """A route at its limit lets the next message of another partition wait; a drain comes first."""
    broker, seen = ScriptedBroker(AT, OTHER), list[bytes]()

    async def handle(value: bytes) -> None:
        seen.append(value)
        await pass_time(5)

    async def scenario() -> None:
        async with RunningConsumer(broker, handle, concurrency=1) as running:
            broker.member.feed(AT, b"1")
            broker.member.feed(OTHER, b"a")
            await until(lambda: seen)
            await running.consumer.drain()

    run(scenario())

    assert seen == [b"1"]
    assert broker.stored[AT] == 1
    assert not broker.stored.get(OTHER)


def test_at_most_so_many_calls_of_a_route_are_unfinished_over_all_partitions() -> None:
    """The limit is the process's, not the partition's."""
    partitions = [TopicPartition("orders", number) for number in range(10)]
    broker, most = ScriptedBroker(*partitions), list[int]()
    running = RunningConsumer(broker, lambda value: handle(), concurrency=3)
    under_way = set[object]()

    async def handle() -> None:
        call = object()
        under_way.add(call)
        most.append(len(under_way))
        await pass_time(1)
        under_way.remove(call)

    async def scenario() -> None:
        async with running:
            for each in partitions:
                broker.member.feed(each, b"1", b"2")
            await until(lambda: running.consumer.handled == 20)

    _, seconds = run(scenario())

    assert max(most) == 3
    assert 7 <= seconds < 7.1


def test_a_handler_without_a_kind_takes_all_other_kinds() -> None:
    """And messages that name none."""
    worker, broker = Worker(), ScriptedBroker(AT)
    routes = routes_to(worker)
    routes = TopicRoutes({**routes.kinds, "refund": routes_to(worker).kinds[None]}, "type", READER)

    (record,) = broker.fetch(AT, b"1", headers=[("type", b"order")]).records

    assert routes.only is None
    assert routes.pick(record) is routes.kinds[None]


def test_a_kind_that_nobody_handles_parks_at_once() -> None:
    """No attempt is spent on a message that stays as it is."""
    worker, broker = Worker(), ScriptedBroker(AT)

    async def scenario() -> None:
        async with RunningConsumer(broker, worker, kind="refund", retry=QUICK) as running:
            broker.member.feed(AT, b"1", headers=[("other", b"refund"), ("type", b"refund")])
            broker.member.feed(AT, b"2", headers=[("type", b"order")])
            await until(lambda: running.consumer.parked)
            (parked,) = running.consumer.parked
            assert (parked.handler, parked.offset) == ("(none)", 1)
            assert parked.error.startswith("Unroutable: no handler of 'orders' takes the kind")

    run(scenario())

    assert worker.values == [b"1"]
