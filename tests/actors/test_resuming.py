"""What former owners have finished out of turn: asked for before the first message, and handed on."""

import asyncio
import logging

import pytest
from tests.actors.scripted import AT, OTHER, Outage, RunningConsumer, ScriptedBroker, Worker
from tests.simulated import pass_time, run, until

from partita.core.finished import Finished
from partita.core.offset_map import OffsetMap

VALUES = [b"0", b"1", b"2", b"3", b"4", b"5"]


def broker_with(finished: Finished, base: int = 0) -> ScriptedBroker:
    """A broker where a former owner has committed *base* and a map."""
    broker = ScriptedBroker(AT)
    broker.stored[AT] = base
    broker.metadata[AT] = OffsetMap(finished).encode(base)
    return broker


def test_what_the_map_mentions_is_not_handled_again() -> None:
    """Within a fetch and over several; beyond its end everything is handled."""
    broker, worker = broker_with(Finished.of([1, 2, 4])), Worker()

    async def scenario() -> None:
        async with RunningConsumer(broker, worker) as running:
            broker.member.feed(AT, *VALUES[:3])
            broker.member.feed(AT, *VALUES[3:])
            await until(lambda: broker.stored[AT] == 6)
            assert running.consumer.handled == 3

    run(scenario())

    assert worker.values == [b"0", b"3", b"5"]
    assert broker.metadata[AT] == ""


def test_the_map_stays_with_the_commits_while_its_first_message_is_unfinished() -> None:
    """A second restart must not repeat what the first one knew was finished."""
    finished = Finished.of([1, 2, 4])
    broker, worker = broker_with(finished), Worker(*[RuntimeError("not yet")] * 100)

    async def scenario() -> None:
        async with RunningConsumer(broker, worker) as running:
            broker.member.feed(AT, *VALUES)
            await until(lambda: running.consumer.parked)
            await running.consumer.drain()

    run(scenario())

    stored = OffsetMap.decode(broker.stored[AT], broker.metadata[AT])
    assert broker.stored[AT] == 0
    assert list(stored.finished.runs()) == list(finished.runs())


def test_a_drain_before_the_map_was_read_past_hands_all_of_it_on() -> None:
    """The committed offset may be one that a former owner has finished: it is not handled again either."""
    broker, begun, go = broker_with(Finished.of([1, 2, 4])), asyncio.Event(), asyncio.Event()

    async def handle(value: bytes) -> None:
        begun.set()
        await go.wait()

    async def scenario() -> None:
        async with RunningConsumer(broker, handle) as running:
            broker.member.feed(AT, *VALUES)
            await begun.wait()
            draining = asyncio.ensure_future(running.consumer.drain())
            await pass_time(1)
            go.set()
            await draining

    run(scenario())

    stored = OffsetMap.decode(broker.stored[AT], broker.metadata[AT])
    assert broker.stored[AT] == 1
    assert list(stored.finished.runs()) == [(1, 3), (4, 5)]


def test_all_new_partitions_are_asked_about_once_before_their_first_message() -> None:
    """One request for an assignment, however many partitions and fetches there are."""
    broker, worker = ScriptedBroker(AT, OTHER), Worker()

    async def scenario() -> None:
        async with RunningConsumer(broker, worker):
            broker.answering.clear()
            broker.member.feed(AT, b"1")
            await pass_time(5)
            assert worker.values == []
            broker.answering.set()
            broker.member.feed(AT, b"2")
            broker.member.feed(OTHER, b"3")
            await until(lambda: len(worker.values) == 3)

    run(scenario())

    assert broker.asked == [(AT, OTHER)]


def test_a_failed_question_is_the_clients_trouble() -> None:
    """Without an answer nothing is handled; the consumer starts again with a new client."""
    broker, worker, error = ScriptedBroker(AT), Worker(), Outage("away")
    broker.committed_errors = [error]

    async def scenario() -> None:
        async with RunningConsumer(broker, worker) as running:
            broker.member.feed(AT, b"1")
            await asyncio.wait([running.task])
            assert running.task.exception() is error

    run(scenario())

    assert worker.values == []


def test_what_was_read_before_a_partition_came_back_is_not_fed_to_its_new_lease() -> None:
    """The new owner reads it again from the commit; fed as well, it would be handled twice."""
    broker, worker = ScriptedBroker(AT), Worker()

    async def scenario() -> None:
        async with RunningConsumer(broker, worker):
            broker.answering.clear()
            broker.member.feed(AT, b"old")
            await pass_time(1)
            broker.member.listener.lost([AT])
            broker.member.listener.assigned([AT])
            broker.answering.set()
            broker.member.feed(AT, b"new")
            await until(lambda: worker.values == [b"new"])
            await pass_time(5)

    run(scenario())

    assert worker.values == [b"new"]
    assert broker.asked == [(AT,), (AT,)]


def test_a_member_is_not_done_while_messages_wait_for_the_answer() -> None:
    """They are neither at the broker nor in a partition, and `--burst` must not end without them."""
    broker = ScriptedBroker(AT)

    async def scenario() -> None:
        async with RunningConsumer(broker, Worker()) as running:
            broker.answering.clear()
            broker.member.feed(AT, b"1")
            await pass_time(1)
            assert not await running.consumer.exhausted()
            broker.answering.set()
            await pass_time(1)
            assert await running.consumer.exhausted()

    run(scenario())


def test_foreign_metadata_is_told_and_not_used(caplog: pytest.LogCaptureFixture) -> None:
    """The text itself is not logged: it may be anything."""
    broker, worker = ScriptedBroker(AT), Worker()
    broker.stored[AT], broker.metadata[AT] = 0, "secret notes"

    async def scenario() -> None:
        async with RunningConsumer(broker, worker):
            broker.member.feed(AT, b"1")
            await until(lambda: broker.stored[AT] == 1)

    with caplog.at_level(logging.WARNING, "partita.poller"):
        run(scenario())

    told = [each.getMessage() for each in caplog.records if each.name == "partita.poller"]
    assert len(told) == 1
    assert told[0].startswith("orders/0: the metadata of its commit is not ours")
    assert "secret" not in caplog.text
    assert worker.values == [b"1"]
