"""Order and concurrency: what runs beside what, and what waits for what."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable

import anyio
import pytest
from tests.actors.scripted import AT, OTHER, READER, RunningConsumer, ScriptedBroker, routes_to
from tests.simulated import pass_time, run, until

from partita import Retry
from partita.actors.routes import BoundRoute, TopicRoutes
from partita.backends.memory.records import MemoryRecord
from partita.core.ports import Fetch, TopicPartition

Keyed = tuple[bytes | None, bytes]


def keyed(at: TopicPartition, first: int, *pairs: Keyed, kind: bytes = b"") -> Fetch:
    """A fetch of messages with keys."""
    headers = [("type", kind)] if kind else []
    records = [
        MemoryRecord(at.topic, at.partition, first + number, 0, key, value, headers)
        for number, (key, value) in enumerate(pairs)
    ]
    return Fetch(at, records, first + len(pairs), len(pairs), first)


class Gated:
    """A handler whose calls each wait until they are let go, in any order."""

    def __init__(self) -> None:
        self.started: list[bytes] = []
        self.done: list[bytes] = []
        self.gates: defaultdict[bytes, anyio.Event] = defaultdict(anyio.Event)
        self.most = 0

    async def __call__(self, value: bytes) -> None:
        self.started.append(value)
        self.most = max(self.most, len(self.started) - len(self.done))
        await self.gates[value].wait()
        self.done.append(value)

    def let(self, *values: bytes) -> None:
        """These may end."""
        for value in values:
            self.gates[value].set()


def test_messages_of_one_key_wait_for_each_other_and_other_keys_do_not() -> None:
    """The second message of a key starts when the first is finished; other keys pass by."""
    handler, broker = Gated(), ScriptedBroker(AT)

    async def scenario() -> None:
        async with RunningConsumer(broker, handler, order="key") as running:
            broker.member.feed_fetch(keyed(AT, 0, (b"a", b"a1"), (b"b", b"b1"), (b"a", b"a2"), (b"c", b"c1")))
            await until(lambda: len(handler.started) >= 3)
            assert handler.started == [b"a1", b"b1", b"c1"]
            handler.let(b"b1", b"c1")
            await until(lambda: len(handler.done) == 2)
            assert running.consumer.partitions[AT].committable == 0
            assert list(running.consumer.partitions[AT].finished_above().runs()) == [(1, 2), (3, 4)]
            handler.let(b"a1", b"a2")
            await until(lambda: broker.stored.get(AT) == 4, 10.0)

    run(scenario())

    assert handler.started == [b"a1", b"b1", b"c1", b"a2"]


def test_only_a_message_that_must_wait_is_told_as_queued() -> None:
    """Once, when it enters the lane of its key: whoever traces wants to know since when."""
    handler, broker, queued = Gated(), ScriptedBroker(AT), list[int]()

    async def scenario() -> None:
        async with RunningConsumer(broker, handler, order="key") as running:
            route = running.routes.only
            assert route is not None
            route.queued = lambda record: queued.append(READER.offset(record))
            broker.member.feed_fetch(keyed(AT, 0, (b"a", b"1"), (b"a", b"2"), (b"b", b"3"), (b"c", b"4")))
            await until(lambda: len(handler.started) >= 3)
            handler.let(b"1", b"2", b"3", b"4")
            await until(lambda: len(handler.done) == 4)

    run(scenario())

    assert queued == [1]


def test_without_an_order_nothing_waits() -> None:
    """Equal keys and all: a hundred in flight."""
    handler, broker = Gated(), ScriptedBroker(AT)
    values = [b"%d" % number for number in range(100)]

    async def scenario() -> None:
        async with RunningConsumer(broker, handler, order="none", concurrency=100):
            broker.member.feed_fetch(keyed(AT, 0, *[(b"k", value) for value in values]))
            await until(lambda: len(handler.started) == 100)
            handler.let(*reversed(values))
            await until(lambda: broker.stored.get(AT) == 100)

    run(scenario())

    assert handler.most == 100


def test_messages_without_a_key_wait_for_no_other() -> None:
    """A missing key is no key that all of them share: a hundred in flight."""
    handler, broker = Gated(), ScriptedBroker(AT)
    values = [b"%d" % number for number in range(100)]

    async def scenario() -> None:
        async with RunningConsumer(broker, handler, order="key", concurrency=100):
            broker.member.feed_fetch(keyed(AT, 0, *[(None, value) for value in values]))
            await until(lambda: len(handler.started) == 100)
            handler.let(*values)
            await until(lambda: broker.stored.get(AT) == 100)

    run(scenario())

    assert handler.most == 100


@pytest.mark.parametrize("order", ["partition", "key", "none"])
def test_never_more_calls_in_flight_than_concurrency_over_four_partitions(order: str) -> None:
    """The limit is the route's in the process, whatever the order."""
    partitions = [TopicPartition("orders", number) for number in range(4)]
    handler, broker = Gated(), ScriptedBroker(*partitions)

    async def scenario() -> None:
        async with RunningConsumer(broker, handler, order=order, concurrency=3) as running:
            for at in partitions:
                pairs = [(b"%d" % n, b"%d/%d" % (at.partition, n)) for n in range(20)]
                broker.member.feed_fetch(keyed(at, 0, *pairs))
            while running.consumer.handled < 80:
                await until(lambda: len(handler.started) > len(handler.done))
                handler.let(*handler.started)
                await pass_time(0.001)

    run(scenario())

    assert handler.most == 3


def test_idle_partitions_cost_no_task() -> None:
    """A thousand partitions and work on one: only the tasks that this work needs."""
    partitions = [TopicPartition("orders", number) for number in range(1000)]
    broker, tasks = ScriptedBroker(*partitions), list[int]()

    async def handle(value: bytes) -> None:
        tasks.append(len(asyncio.all_tasks()))

    async def scenario() -> None:
        async with RunningConsumer(broker, handle) as running:
            broker.member.feed(AT, b"1", b"2")
            await until(lambda: running.consumer.handled == 2)

    run(scenario())

    assert max(tasks) <= 10


def test_a_retry_waits_in_its_lane_while_other_keys_flow() -> None:
    """The failed message comes before the next of its key, and holds nobody else up."""
    broker, seen = ScriptedBroker(AT), list[bytes]()
    failures = [ValueError("no")]

    async def handle(value: bytes) -> None:
        seen.append(value)
        if value == b"a1" and failures:
            raise failures.pop()
        await pass_time(0.001)

    async def scenario() -> None:
        async with RunningConsumer(broker, handle, order="key", retry=Retry(attempts=3, backoff=10.0)):
            broker.member.feed_fetch(keyed(AT, 0, (b"a", b"a1"), (b"a", b"a2"), (b"b", b"b1"), (b"b", b"b2")))
            await until(lambda: broker.stored.get(AT) == 4)

    run(scenario())

    assert seen == [b"a1", b"b1", b"b2", b"a1", b"a2"]


def test_what_stood_behind_a_message_when_it_failed_waits_for_its_retry() -> None:
    """The lane was there before the failure; its next message comes after the one that is tried again."""
    broker, seen = ScriptedBroker(AT), list[bytes]()
    failing = anyio.Event()

    async def handle(value: bytes) -> None:
        seen.append(value)
        if seen.count(b"a1") == 1 and value == b"a1":
            await failing.wait()
            raise ValueError("no")

    async def scenario() -> None:
        async with RunningConsumer(broker, handle, order="key", retry=Retry(attempts=2, backoff=1.0)):
            broker.member.feed_fetch(keyed(AT, 0, (b"a", b"a1"), (b"a", b"a2"), (b"b", b"b1")))
            await until(lambda: b"b1" in seen)
            failing.set()
            await until(lambda: broker.stored.get(AT) == 3)

    run(scenario())

    assert seen == [b"a1", b"b1", b"a1", b"a2"]


def test_a_parked_key_lets_other_keys_of_its_partition_go_on() -> None:
    """Only its own lane waits behind it."""
    broker, seen = ScriptedBroker(AT), list[bytes]()

    async def handle(value: bytes) -> None:
        if value == b"poison":
            raise ValueError("no")
        seen.append(value)

    async def scenario() -> None:
        async with RunningConsumer(broker, handle, order="key") as running:
            pairs = [(b"a", b"poison"), (b"a", b"a2"), (b"b", b"b1"), (b"c", b"c1")]
            broker.member.feed_fetch(keyed(AT, 0, *pairs))
            await until(lambda: len(seen) == 2)
            assert [each.offset for each in running.consumer.parked] == [0]
            assert await running.consumer.exhausted()

    run(scenario())

    assert seen == [b"b1", b"c1"]
    assert broker.stored.get(AT) in (None, 0)


def test_a_hanging_message_bounds_how_far_its_partition_runs_ahead() -> None:
    """A thousand unfinished messages close the partition, and it opens again at half of that."""
    handler, broker = Gated(), ScriptedBroker(AT)
    values = [b"%d" % number for number in range(3000)]

    async def scenario() -> None:
        async with RunningConsumer(broker, handler, order="none", concurrency=3000) as running:
            broker.member.feed_fetch(keyed(AT, 0, *[(None, value) for value in values]))
            await until(lambda: running.consumer.partitions[AT].gate.full)
            await pass_time(1)
            assert len(handler.started) == 1000
            handler.let(*values[1:501])
            await until(lambda: len(handler.started) > 1000)
            handler.let(*values)
            await until(lambda: broker.stored.get(AT) == 3000)

    run(scenario())

    assert len(handler.done) == 3000


def mixed(
    first: Callable[[bytes], Awaitable[object]], second: Callable[[bytes], Awaitable[object]]
) -> TopicRoutes:
    """Two kinds on one topic: two calls at once of the first, one of the second, both in order of keys."""
    kinds = dict[str | None, BoundRoute]()
    for kind, handler, concurrency in (("first", first, 2), ("second", second, 1)):
        kinds[kind] = routes_to(handler, order="key", concurrency=concurrency).kinds[None]
    return TopicRoutes(kinds, "type", READER)


def test_each_of_several_kinds_keeps_its_own_limit() -> None:
    """A kind whose calls are all in use waits, and the other goes on; nothing is lost or overtaken."""
    first, second, broker = Gated(), Gated(), ScriptedBroker(AT, OTHER)

    async def scenario() -> None:
        running = RunningConsumer(broker, first, concurrency=3)
        running.routes = mixed(first, second)
        async with running:
            broker.member.feed_fetch(keyed(AT, 0, (b"a", b"1"), (b"b", b"2"), (b"c", b"3"), kind=b"second"))
            broker.member.feed_fetch(keyed(OTHER, 0, (b"x", b"4"), (b"y", b"5"), (b"z", b"6"), kind=b"first"))
            await until(lambda: len(first.started) == 2 and second.started)
            second.let(b"1", b"2", b"3")
            first.let(b"4", b"5", b"6")
            await until(lambda: running.consumer.handled == 6)

    run(scenario())

    assert (first.most, second.most) == (2, 1)
    assert second.started == [b"1", b"2", b"3"]


def test_a_retry_of_a_kind_waits_for_a_call_to_spare() -> None:
    """A due message counts against its route's limit like any other."""
    broker, seen, failing = ScriptedBroker(AT), list[bytes](), [ValueError("no")]
    hang = anyio.Event()

    async def first(value: bytes) -> None:
        seen.append(value)

    async def second(value: bytes) -> None:
        seen.append(value)
        if value == b"fails" and failing:
            raise failing.pop()
        if value == b"hangs":
            await hang.wait()

    async def scenario() -> None:
        running = RunningConsumer(broker, first, concurrency=3)
        running.routes = mixed(first, second)
        for route in running.routes.kinds.values():
            route.retry = Retry(attempts=2, backoff=1.0)
        async with running:
            broker.member.feed_fetch(keyed(AT, 0, (b"a", b"fails"), (b"b", b"hangs"), kind=b"second"))
            await pass_time(5)
            assert seen == [b"fails", b"hangs"]
            hang.set()
            await until(lambda: running.consumer.handled == 2)

    run(scenario())

    assert seen == [b"fails", b"hangs", b"fails"]


def test_a_revoked_partition_starts_nothing_that_waited_for_a_call_to_spare() -> None:
    """Neither what stood in a lane nor what waited for its route."""
    first, second, broker = Gated(), Gated(), ScriptedBroker(AT, OTHER)

    async def scenario() -> None:
        running = RunningConsumer(broker, first, concurrency=3, drain_timeout=5.0)
        running.routes = mixed(first, second)
        async with running, asyncio.TaskGroup() as tasks:
            broker.member.feed_fetch(keyed(AT, 0, (b"a", b"1"), (b"b", b"2"), (b"a", b"3"), kind=b"second"))
            await until(lambda: bool(second.started))
            tasks.create_task(_revoke(broker))
            await pass_time(0.1)
            second.let(b"1", b"2", b"3")
            await until(lambda: AT not in running.consumer.partitions)

    run(scenario())

    assert second.started == [b"1"]
    assert broker.stored[AT] == 1


async def _revoke(broker: ScriptedBroker) -> None:
    await broker.member.listener.revoked([AT])


@pytest.mark.parametrize("order", ["partition", "none"])
def test_a_slow_slice_becomes_shorter_so_that_others_get_their_turn(order: str) -> None:
    """Handlers that never suspend must not keep the loop for a whole fetch."""
    broker = ScriptedBroker(AT)

    async def burn(value: bytes) -> None:
        loop = asyncio.get_running_loop()
        loop._virtual.now += 0.01  # type: ignore[attr-defined] # as if it had computed for so long

    async def scenario() -> int:
        async with RunningConsumer(broker, burn, order=order) as running:
            broker.member.feed(AT, *[b"x"] * 300)
            await until(lambda: running.consumer.handled == 300)
            pump = running.consumer._pump
            assert pump is not None
            return pump._baton._length.messages

    size, _ = run(scenario())

    assert size == 1


def test_a_lane_behind_a_hanging_message_is_bounded() -> None:
    """A key that everybody uses closes its partition when a thousand of its messages wait."""
    handler, broker = Gated(), ScriptedBroker(AT)

    async def scenario() -> int:
        async with RunningConsumer(broker, handler, order="key") as running:
            broker.member.feed_fetch(keyed(AT, 0, *[(b"hot", b"%d" % n) for n in range(1500)]))
            await until(lambda: running.consumer.partitions[AT].gate.full)
            unfinished = running.consumer.partitions[AT].ledger.unfinished
            handler.let(*[b"%d" % n for n in range(1500)])
            await until(lambda: broker.stored.get(AT) == 1500)
            return unfinished

    unfinished, _ = run(scenario())

    assert unfinished == 1000
    assert handler.started == [b"%d" % n for n in range(1500)]


def test_a_drain_waits_for_every_message_in_hand_and_starts_no_lane() -> None:
    """Several may be in hand; those that fail meanwhile are not tried again here."""
    handler, broker = Gated(), ScriptedBroker(AT)
    failing = anyio.Event()

    async def handle(value: bytes) -> None:
        if value == b"fails":
            await failing.wait()
            raise ValueError("no")
        await handler(value)

    async def scenario() -> bool:
        async with RunningConsumer(broker, handle, order="key") as running, asyncio.TaskGroup() as tasks:
            pairs = [(b"a", b"a1"), (b"b", b"b1"), (b"a", b"a2"), (b"c", b"fails")]
            broker.member.feed_fetch(keyed(AT, 0, *pairs))
            await until(lambda: len(handler.started) == 2)
            finished = await running.consumer.exhausted()
            tasks.create_task(running.consumer.drain())
            await pass_time(1)
            handler.let(b"a1", b"b1", b"a2")
            await pass_time(1)
            assert not running.task.done()
            failing.set()
            await running.task
            return finished

    finished, _ = run(scenario())

    assert not finished
    assert handler.started == [b"a1", b"b1"]
    assert broker.stored == {AT: 2}


def test_a_single_worker_that_is_ended_in_mid_handler_leaves_its_message_unfinished() -> None:
    """Nobody was there to demote it; what it held is read again by the next owner."""
    handler, broker = Gated(), ScriptedBroker(AT)

    async def scenario() -> None:
        async with RunningConsumer(broker, handler, concurrency=1) as running:
            broker.member.feed(AT, b"1", b"2")
            await until(lambda: handler.started == [b"1"])
            assert not await running.consumer.exhausted()
            broker.member.fail(ValueError("away"))
            await asyncio.wait([running.task])

    run(scenario())

    assert handler.started == [b"1"]
    assert broker.stored == {AT: 0}


def test_a_handler_that_swallows_its_cancellation_ends_with_its_worker() -> None:
    """The task ends all the same, and takes nothing new."""
    broker, calls = ScriptedBroker(AT), list[bytes]()

    async def handle(value: bytes) -> None:
        calls.append(value)
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            return  # on purpose: a handler may do such a thing, and nothing of ours is half-done

    async def scenario() -> None:
        async with RunningConsumer(broker, handle) as running:
            broker.member.feed(AT, b"1", b"2")
            await until(lambda: calls == [b"1"])
            broker.member.fail(ValueError("away"))
            await asyncio.wait([running.task])

    run(scenario())

    assert calls == [b"1"]


def test_what_ends_after_its_lease_counts_for_nothing() -> None:
    """A handler that finishes although its partition was lost moves no offset and is not counted."""
    broker, ended = ScriptedBroker(AT), list[bytes]()

    async def handle(value: bytes) -> None:
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            ended.append(value)  # on purpose: it insists on ending well, and nothing of ours is half-done

    async def scenario() -> int:
        async with RunningConsumer(broker, handle) as running:
            broker.member.feed(AT, b"1")
            await until(lambda: not running.consumer.partitions[AT].quiet)
            await pass_time(1)
            broker.member.listener.lost([AT])
            await until(lambda: bool(ended))
            await pass_time(2)
            return running.consumer.handled

    handled, _ = run(scenario())

    assert (handled, ended, broker.stored.get(AT, 0)) == (0, [b"1"], 0)
