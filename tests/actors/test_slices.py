"""Slices: how a fetch is read piece by piece, who stands by meanwhile, and when what was handled is told."""

import asyncio

import anyio
from tests.actors.scripted import AT, OTHER, RunningConsumer, ScriptedBroker, Worker
from tests.simulated import pass_time, run, until

from partita.core.flow import DEFAULT_OPEN


def test_a_fetch_longer_than_there_is_room_for_is_read_to_its_end() -> None:
    """A slice that the gate has cut short is not the end of its fetch."""
    values = [b"%d" % number for number in range(3 * DEFAULT_OPEN)]
    worker, broker = Worker(), ScriptedBroker(AT)

    async def scenario() -> None:
        async with RunningConsumer(broker, worker):
            broker.member.feed(AT, *values)
            await until(lambda: broker.stored.get(AT) == len(values))

    run(scenario())

    assert worker.values == values


def test_a_handler_in_partition_order_that_suspends_needs_no_second_worker() -> None:
    """Nothing can begin behind it, so nobody is woken to look."""
    broker, hold, tasks = ScriptedBroker(AT), anyio.Event(), list[int]()

    async def handle(value: bytes) -> None:
        tasks.append(len(asyncio.all_tasks()))
        await (hold.wait() if value == b"4" else asyncio.sleep(0))

    async def scenario() -> None:
        async with RunningConsumer(broker, handle):
            broker.member.feed(AT, b"1", b"2", b"3", b"4")
            await until(lambda: len(tasks) == 4)
            hold.set()

    run(scenario())

    assert len(set(tasks[1:])) == 1


def test_another_partition_goes_on_beside_a_handler_in_partition_order_that_suspends() -> None:
    """Who wakes a worker is the partition that has work."""
    broker, hold, seen = ScriptedBroker(AT, OTHER), anyio.Event(), list[bytes]()

    async def handle(value: bytes) -> None:
        seen.append(value)
        if value == b"slow":
            await hold.wait()

    async def scenario() -> None:
        async with RunningConsumer(broker, handle):
            broker.member.feed(AT, b"slow", b"behind")
            await until(lambda: seen == [b"slow"])
            broker.member.feed(OTHER, b"other")
            await until(lambda: b"other" in seen)
            hold.set()
            await until(lambda: b"behind" in seen)

    run(scenario())

    assert seen == [b"slow", b"other", b"behind"]


def test_what_was_handled_beside_a_handler_that_hangs_is_told_when_there_is_nothing_left_to_do() -> None:
    """The committer need not wait for the one that hangs to learn of the others."""
    broker, hang, seen = ScriptedBroker(AT), anyio.Event(), list[bytes]()

    async def handle(value: bytes) -> None:
        await (hang.wait() if value == b"hangs" else asyncio.sleep(0))
        seen.append(value)

    async def scenario() -> None:
        async with RunningConsumer(broker, handle, order="none") as running:
            broker.member.feed(AT, b"hangs", b"1", b"2")
            await until(lambda: len(seen) == 2)
            await until(lambda: bool(broker.metadata.get(AT)))
            assert running.consumer.handled == 2
            hang.set()
            await until(lambda: broker.stored.get(AT) == 3)

    run(scenario())

    assert seen == [b"1", b"2", b"hangs"]


def test_handlers_that_end_together_at_the_end_of_a_slice_all_go_on_at_once() -> None:
    """Where workers take turns the loop has had its own: a yield would send those that come next to rest."""
    broker, resting = ScriptedBroker(AT), list[int]()

    async def scenario() -> None:
        async def handle(value: bytes) -> None:
            pump = running.consumer._pump
            assert pump is not None
            resting.append(len(pump._crew._idle))
            await pass_time(1.0)

        running = RunningConsumer(broker, handle, order="none", concurrency=8)
        async with running:
            broker.member.feed(AT, *[b"x"] * 640)
            await until(lambda: broker.stored.get(AT) == 640)

    run(scenario())

    assert set(resting[8:-8]) == {0}


def test_what_was_handled_before_a_partition_was_lost_is_counted() -> None:
    """In the middle of a slice too, whose reader has told nobody yet."""
    broker, seen = ScriptedBroker(AT), list[bytes]()

    async def handle(value: bytes) -> None:
        if value == b"hangs":
            await anyio.sleep_forever()
        seen.append(value)

    async def scenario() -> None:
        async with RunningConsumer(broker, handle) as running:
            broker.member.feed(AT, b"1", b"2", b"hangs")
            await until(lambda: len(seen) == 2)
            running.consumer.lost([AT])
            assert running.consumer.handled == 2

    run(scenario())
