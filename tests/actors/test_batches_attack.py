"""Batches under attack: limits of the process, holes, errors that deny themselves, care, late ends."""

import asyncio

import anyio
from tests.actors.scripted import AT, OTHER, RunningConsumer, ScriptedBroker
from tests.actors.test_batches import Named, Store, batched, handled, unused
from tests.simulated import pass_time, run, until

from partita import Retry
from partita.core.batches import BatchLimits
from partita.core.offset_map import OffsetMap
from partita.core.ports import Fetch
from partita.core.process_flow import FlowLimits, ProcessFlow

AN_HOUR = 3600.0


class Empty(Exception):
    """An error that collects others, and has none."""

    def __len__(self) -> int:
        return 0


def test_an_error_that_is_false_fails_a_message_like_any_other() -> None:
    """A message whose handler raised is never taken for done because of what its error says of itself."""
    errors, stored = [Empty(), Empty()], list[bytes]()

    async def handle(values: list[bytes], named: Named) -> None:
        if values == [b"1"] and errors:
            raise errors.pop()
        stored.extend(values)

    handled(handle, (AT, [b"1"]), retry=Retry(attempts=3))

    assert stored == [b"1"]


def test_batches_are_handed_over_early_when_the_process_may_start_no_more_messages() -> None:
    """A size above what a process may have unfinished is not waited for, wherever it was gathered."""
    broker, store = ScriptedBroker(AT, OTHER), Store()
    broker.flow = ProcessFlow(FlowLimits(unfinished=10))

    async def scenario() -> float:
        running = RunningConsumer(broker, unused)
        batched(running, store, BatchLimits(100, AN_HOUR))
        async with running:
            broker.member.feed(AT, *[b"a"] * 6)
            await pass_time(0.1)
            broker.member.feed(OTHER, *[b"b"] * 6)
            await until(lambda: len(store.stored) >= 10)
            return asyncio.get_running_loop().time()

    took, _ = run(scenario())

    assert took < AN_HOUR


def test_batches_are_handed_over_early_when_the_process_takes_no_more_bytes() -> None:
    """Nothing waits for what cannot come: a partition that holds something is not read meanwhile."""
    broker, store = ScriptedBroker(AT, OTHER), Store()
    broker.flow = ProcessFlow(FlowLimits(bytes=1_000))

    async def scenario() -> float:
        running = RunningConsumer(broker, unused)
        batched(running, store, BatchLimits(100, AN_HOUR))
        async with running:
            broker.member.feed(AT, bytes(400))
            await pass_time(0.1)
            broker.member.feed(OTHER, bytes(700))
            await until(lambda: len(store.stored) == 2)
            return asyncio.get_running_loop().time()

    took, _ = run(scenario())

    assert took < AN_HOUR


def test_a_batch_is_handed_over_early_before_a_hole_that_is_not_read_across() -> None:
    """In a compacted topic the next message may be further away than reading runs ahead."""
    broker, store = ScriptedBroker(AT), Store()

    async def scenario() -> float:
        running = RunningConsumer(broker, unused)
        batched(running, store, BatchLimits(100, AN_HOUR))
        async with running:
            broker.member.feed_fetch(Fetch(AT, broker.fetch(AT, b"1").records, 50_000, 1, 0))
            await pass_time(0.1)
            broker.rewind(AT, 50_000)
            broker.member.feed(AT, b"2")
            await until(lambda: store.stored == [b"1"])
            return asyncio.get_running_loop().time()

    took, _ = run(scenario())

    assert took < AN_HOUR


def test_a_batch_handler_that_returns_after_its_partition_is_gone_is_counted() -> None:
    """As any handler: what it did counts for nothing, and the operator sees that it was done."""
    broker, started = ScriptedBroker(AT), anyio.Event()

    async def handle(values: list[bytes], named: Named) -> None:
        started.set()
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            return  # as if it had been done

    async def scenario() -> int:
        running = RunningConsumer(broker, unused)
        batched(running, handle, BatchLimits(3, 1.0))
        async with running:
            broker.member.feed(AT, b"1", b"2", b"3")
            await started.wait()
            running.consumer.lost([AT])
            await pass_time(0.1)
            return running.consumer.late_completions

    late, _ = run(scenario())

    assert late == 1


def test_with_order_by_key_messages_of_a_batch_handler_follow_each_other_under_care() -> None:
    """Batches of a partition follow each other by key, too; so do their messages one at a time."""
    broker, store = ScriptedBroker(AT), Store(b"1")
    broker.stored[AT], broker.metadata[AT] = 0, OffsetMap(unclean=2).encode(0)

    async def scenario() -> None:
        running = RunningConsumer(broker, unused)
        batched(running, store, BatchLimits(3, 0.1), order="key", retry=Retry(attempts=5, backoff=1.0))
        async with running:
            broker.member.feed(AT, b"1", b"2", b"3")
            await until(lambda: len(store.calls) >= 2)
            store.bad.clear()
            await until(lambda: broker.stored.get(AT) == 3)

    run(scenario())

    assert store.stored == [b"1", b"2", b"3"]
