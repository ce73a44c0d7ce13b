"""Batches of a partition: when they are handed over, what follows a failure, and what they leave behind."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence

import anyio
import pytest
from tests.actors.scripted import AT, OTHER, READER, RunningConsumer, ScriptedBroker
from tests.simulated import pass_time, run, until

from partita import Retry
from partita.actors.holds import Postponed
from partita.actors.routes import BoundBatch, BoundRoute, TopicRoutes
from partita.batch_calls import batch_of_one
from partita.core.batches import BatchLimits
from partita.core.flow import DEFAULT_BYTES
from partita.core.ports import TopicPartition

Named = MutableMapping[int, BaseException]
Handle = Callable[[list[bytes], Named], Awaitable[None]]
ONCE = Retry(attempts=1)


def batched(
    running: RunningConsumer,
    handle: Handle,
    limits: BatchLimits,
    *,
    order: str = "partition",
    retry: Retry = ONCE,
    drop: bool = True,
) -> BoundRoute:
    """Let the consumer's topics be handled in batches."""

    async def call(records: Sequence[object], attempt: int, named: Named) -> None:
        await handle([READER.value(each) or b"" for each in records], named)

    route = BoundRoute("store", batch_of_one(call), retry, order, drop=drop)
    route.batch = BoundBatch(limits, call)
    running.routes = TopicRoutes({None: route}, "type", READER)
    return route


async def unused(value: bytes) -> None:
    """Batches are called instead."""


class Store:
    """A batch handler that remembers, and raises for what it is told to."""

    def __init__(self, *bad: bytes) -> None:
        self.bad = {*bad}
        self.calls: list[list[bytes]] = []
        self.stored: list[bytes] = []

    async def __call__(self, values: list[bytes], named: Named) -> None:
        self.calls.append(values)
        if self.bad & {*values}:
            raise ValueError("one of them is bad")
        self.stored += values


def handled(
    handle: Handle, *fetches: tuple[TopicPartition, Sequence[bytes]], **options: object
) -> ScriptedBroker:
    """Run *fetches* through batches of three, until every message is dealt with."""
    broker = ScriptedBroker(AT, OTHER)

    async def scenario() -> None:
        running = RunningConsumer(broker, unused)
        batched(running, handle, BatchLimits(3, 1.0), **options)  # type: ignore[arg-type]
        async with running:
            for at, values in fetches:
                broker.member.feed(at, *values)
            await until(lambda: all(broker.stored.get(at) == len(values) for at, values in fetches))

    run(scenario())
    return broker


def test_a_batch_is_handed_over_when_it_has_its_size_and_the_rest_after_a_while() -> None:
    """Never longer than asked for, never later than asked for."""
    store = Store()

    handled(store, (AT, [b"1", b"2", b"3", b"4", b"5", b"6", b"7"]))

    assert store.calls == [[b"1", b"2", b"3"], [b"4", b"5", b"6"], [b"7"]]


def test_a_batch_never_mixes_partitions() -> None:
    """Each partition gathers its own."""
    store = Store()

    handled(store, (AT, [b"a1", b"a2"]), (OTHER, [b"b1", b"b2"]))

    assert sorted(store.calls) == [[b"a1", b"a2"], [b"b1", b"b2"]]


@pytest.mark.parametrize("order", ["partition", "key", "none"])
def test_a_batch_that_raises_is_halved_until_the_bad_message_stands_alone(order: str) -> None:
    """One bad message costs itself, and all others are stored once."""
    store = Store(b"2")

    handled(store, (AT, [b"1", b"2", b"3"]), order=order)

    assert sorted(store.stored) == [b"1", b"3"]
    assert [b"2"] in store.calls


def test_named_messages_fail_and_the_others_are_done() -> None:
    """A handler that knows which are bad need not be called for the others again."""
    calls = list[list[bytes]]()

    async def handle(values: list[bytes], named: Named) -> None:
        calls.append(values)
        for index, value in enumerate(values):
            if value.startswith(b"bad"):
                named[index] = ValueError("no")

    handled(handle, (AT, [b"1", b"bad 2", b"bad 3"]))

    assert calls == [[b"1", b"bad 2", b"bad 3"]]


def test_a_failed_message_is_tried_again_alone_and_holds_back_those_behind_it() -> None:
    """In order, the next batch waits until nothing of the one before is unfinished."""
    store = Store(b"2")

    async def handle(values: list[bytes], named: Named) -> None:
        if len([each for each in store.calls if each == [b"2"]]) == 2:
            store.bad.clear()
        await store(values, named)

    handled(handle, (AT, [b"1", b"2", b"3", b"4", b"5", b"6"]), retry=Retry(attempts=5))

    assert store.stored == [b"1", b"2", b"3", b"4", b"5", b"6"]
    assert store.calls.count([b"2"]) == 3


def test_without_order_the_others_go_on_beside_a_message_that_is_tried_again() -> None:
    """One bad message blocks nothing."""
    store, broker = Store(b"2"), ScriptedBroker(AT)

    async def scenario() -> None:
        running = RunningConsumer(broker, unused)
        batched(running, store, BatchLimits(3, 1.0), order="none", retry=Retry(attempts=9, backoff=10.0))
        async with running:
            broker.member.feed(AT, b"1", b"2", b"3", b"4", b"5", b"6")
            await until(lambda: len(store.stored) == 5)
            assert broker.stored.get(AT, 0) <= 1

    run(scenario())

    assert sorted(store.stored) == [b"1", b"3", b"4", b"5", b"6"]


def test_a_batch_that_was_not_begun_is_called_again_as_it_is() -> None:
    """What holds a call back costs no attempt and takes nothing apart."""
    store, refusals = Store(), [Postponed(), Postponed()]

    async def handle(values: list[bytes], named: Named) -> None:
        if refusals:
            raise refusals.pop()
        await store(values, named)

    handled(handle, (AT, [b"1", b"2", b"3"]))

    assert store.calls == [[b"1", b"2", b"3"]]


def test_system_exit_in_a_batch_stops_the_process_and_leaves_the_batch_unfinished() -> None:
    """As in any handler."""
    broker = ScriptedBroker(AT)

    async def handle(values: list[bytes], named: Named) -> None:
        raise SystemExit(3)

    async def scenario() -> list[BaseException]:
        running = RunningConsumer(broker, unused)
        batched(running, handle, BatchLimits(3, 1.0))
        async with running:
            broker.member.feed(AT, b"1", b"2", b"3")
            await until(lambda: bool(running.stop_requests))
            await running.consumer.drain()
        return running.stop_requests

    requests, _ = run(scenario())

    assert str(requests[0]) == "3"
    assert broker.stored.get(AT, 0) == 0


def test_what_is_gathered_when_the_partition_goes_away_stays_unfinished() -> None:
    """No handler was started for it, so the next owner gets all of it."""
    store, broker = Store(), ScriptedBroker(AT)

    async def scenario() -> None:
        running = RunningConsumer(broker, unused)
        batched(running, store, BatchLimits(3, 60.0))
        async with running:
            broker.member.feed(AT, b"1", b"2", b"3", b"4")
            await until(lambda: broker.stored.get(AT) == 3)
            assert not await running.consumer.exhausted()
            await running.consumer.drain()
            await pass_time(120.0)

    run(scenario())

    assert store.calls == [[b"1", b"2", b"3"]]
    assert broker.stored[AT] == 3


def test_a_batch_that_ends_while_its_partition_drains_is_committed() -> None:
    """What was done is not repeated by the next owner; what failed is left to it."""
    broker, started, ends = ScriptedBroker(AT), anyio.Event(), anyio.Event()

    async def handle(values: list[bytes], named: Named) -> None:
        started.set()
        await ends.wait()
        named[2] = ValueError("no")

    async def scenario() -> None:
        running = RunningConsumer(broker, unused)
        batched(running, handle, BatchLimits(3, 1.0))
        async with running:
            broker.member.feed(AT, b"1", b"2", b"3")
            await started.wait()
            asyncio.get_running_loop().call_later(1.0, ends.set)
            await running.consumer.drain()

    run(scenario())

    assert broker.stored[AT] == 2


@pytest.mark.parametrize("failure", [ValueError("no"), SystemExit(3)])
def test_a_batch_that_fails_while_its_partition_drains_is_left_to_the_next_owner(
    failure: BaseException,
) -> None:
    """Nothing of it is called again here, and nothing of it is committed."""
    broker, started, ends, calls = ScriptedBroker(AT), anyio.Event(), anyio.Event(), list[int]()

    async def handle(values: list[bytes], named: Named) -> None:
        calls.append(len(values))
        started.set()
        await ends.wait()
        raise failure

    async def scenario() -> None:
        running = RunningConsumer(broker, unused)
        batched(running, handle, BatchLimits(3, 1.0))
        async with running:
            broker.member.feed(AT, b"1", b"2", b"3")
            await started.wait()
            asyncio.get_running_loop().call_later(1.0, ends.set)
            await running.consumer.drain()

    run(scenario())

    assert calls == [3]
    assert broker.stored.get(AT, 0) == 0


def test_a_batch_given_up_at_the_deadline_counts_for_nothing() -> None:
    """A lease that is over moves no offset, however the handler ends."""
    broker, started = ScriptedBroker(AT), anyio.Event()

    async def handle(values: list[bytes], named: Named) -> None:
        started.set()
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            return  # as if it had been done

    async def scenario() -> None:
        running = RunningConsumer(broker, unused, drain_timeout=1.0)
        batched(running, handle, BatchLimits(3, 1.0))
        async with running:
            broker.member.feed(AT, b"1", b"2", b"3")
            await started.wait()
            await running.consumer.drain()

    run(scenario())

    assert broker.stored.get(AT, 0) == 0


def test_a_batch_may_be_larger_than_what_else_may_be_open() -> None:
    """Who asks for ten thousand messages gets them together."""
    broker, store = ScriptedBroker(AT), Store()
    values = [b"%d" % number for number in range(25_000)]

    async def scenario() -> None:
        running = RunningConsumer(broker, unused)
        batched(running, store, BatchLimits(10_000, 5.0))
        async with running:
            broker.member.feed(AT, *values)
            await until(lambda: broker.stored.get(AT) == len(values))

    run(scenario())

    assert store.stored == values
    assert [len(each) for each in store.calls] == [10_000, 10_000, 5_000]


def test_a_batch_is_handed_over_early_when_no_more_bytes_may_come_in() -> None:
    """Memory is bounded whatever the size that was asked for, and nothing waits for what cannot come."""
    broker, store = ScriptedBroker(AT), Store()
    values = [bytes(DEFAULT_BYTES // 4)] * 6

    async def scenario() -> float:
        running = RunningConsumer(broker, unused)
        batched(running, store, BatchLimits(100, 60.0))
        async with running:
            for value in values:
                broker.member.feed(AT, value)
            await until(lambda: bool(store.calls))
            return asyncio.get_running_loop().time()

    took, _ = run(scenario())

    assert took < 60.0


def test_a_message_that_ends_the_process_in_a_batch_is_found_and_given_up() -> None:
    """Under care a batch handler gets one message at a time, so the one that ends its owner is known."""
    broker, calls, died = ScriptedBroker(AT), list[list[bytes]](), anyio.Event()

    async def handle(values: list[bytes], named: Named) -> None:
        calls.append(values)
        if b"2" in values:
            died.set()
            await anyio.sleep_forever()

    async def owner() -> bool:
        nonlocal died
        died = anyio.Event()
        running = RunningConsumer(broker, unused)
        batched(running, handle, BatchLimits(3, 0.1), retry=Retry(attempts=2, backoff=0.1))
        async with running:
            broker.rewind(AT)
            broker.member.feed(AT, *[b"1", b"2", b"3", b"4"][broker.stored.get(AT, 0) :])
            await until(lambda: died.is_set() or broker.stored.get(AT) == 4)
            return broker.stored.get(AT) == 4

    async def scenario() -> int:
        owners = 1
        while not await owner():
            owners += 1
        return owners

    owners, _ = run(scenario())

    assert owners == 5
    assert [each for each in calls if len(each) > 1] == [[b"1", b"2", b"3"]] * 2
    assert calls.count([b"2"]) == 2
    assert [b"4"] in calls
