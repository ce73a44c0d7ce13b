"""A pump that crashes starts again in place: nothing is skipped, nothing is repeated."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator

import pytest
from tests.actors.calls import Calls, Message
from tests.actors.scripted import AT, RaisingNotices, RunningConsumer, ScriptedBroker, Worker, routes_to
from tests.actors.stage import Stage
from tests.actors.test_batches import Store, batched, unused
from tests.simulated import pass_time, run, until

from partita import RestartLimitReached
from partita.actors.messages import OpenMessage
from partita.actors.partition import Partition
from partita.actors.pump import Pump
from partita.actors.reclaiming import reclaim
from partita.actors.routes import BoundRoute
from partita.actors.supervisor import Supervisor
from partita.backends.memory.records import MemoryRecord
from partita.core.batches import BatchLimits
from partita.core.finished import Finished
from partita.core.flow import FlowGate
from partita.core.leases import Lease
from partita.core.restarts import FailureKind, Supervision


@pytest.mark.parametrize("notices", [RaisingNotices(when_finished=2), RaisingNotices(when_idle=1)])
def test_a_crashed_pump_goes_on_where_it_was(notices: RaisingNotices) -> None:
    """What stands in the partition outlives the task that works on it."""
    worker, broker = Worker(), ScriptedBroker()
    values = [b"%d" % number for number in range(200)]

    async def scenario() -> None:
        pump = Pump(64, notices)
        partition = Partition(Lease(AT), routes_to(worker), FlowGate(), pump)
        supervisor = Supervisor("test", Supervision(), lambda name, error: FailureKind.CRASH)
        supervisor.add("pump", pump.run)
        partition.feed(broker.fetch(AT, *values))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(supervisor.run())
            await until(lambda: partition.handled == 200 and not notices.idle_errors)
            partition.stop()
            supervisor.stop()
        assert supervisor.restarts >= 1
        assert partition.committable == 200

    run(scenario())

    assert values == worker.values


@pytest.mark.parametrize("order", ["partition", "none"])
def test_records_that_cannot_be_read_are_never_committed_unread(order: str) -> None:
    """
    A lazy reader that breaks in the middle of a fetch says "exhausted" when it is asked again: what it
    did not hand out must not count as handled.
    """
    worker, broker = Worker(), ScriptedBroker(AT)

    def broken(whole: Iterable[object]) -> Iterator[object]:
        yield from list(whole)[:2]
        raise ValueError("a corrupt batch")

    async def scenario() -> BaseException | None:
        async with RunningConsumer(broker, worker, order=order) as running:
            fetch = broker.fetch(AT, b"1", b"2", b"3", b"4")
            fetch.records = broken(fetch.records)
            broker.member.feed_fetch(fetch)
            broker.member.feed(AT, b"5")
            await asyncio.wait([running.task])
            return running.task.exception()

    error, _ = run(scenario())

    assert isinstance(error, RestartLimitReached)
    assert str(error.__cause__) == "a corrupt batch"
    assert worker.values == [b"1", b"2"]
    assert broker.stored == {AT: 2}


@pytest.mark.parametrize("order", ["partition", "key"])
def test_a_worker_that_is_cancelled_while_it_rests_is_replaced(order: str) -> None:
    """A timer that a handler left behind may cancel its task later; nothing stands still for that."""
    broker, handled, workers = ScriptedBroker(AT), list[bytes](), list[asyncio.Task[object]]()

    async def handle(value: bytes) -> None:
        task = asyncio.current_task()
        assert task is not None
        workers.append(task)
        handled.append(value)

    async def scenario() -> None:
        async with RunningConsumer(broker, handle, order=order, concurrency=1):
            broker.member.feed(AT, b"1")
            await until(lambda: handled == [b"1"])
            await pass_time(1)
            workers[0].cancel()
            broker.member.feed(AT, b"2")
            await until(lambda: broker.stored.get(AT) == 2, 10.0)

    run(scenario())

    assert workers[0] is not workers[1]


def crashing_endings(running: RunningConsumer, crashes: int) -> None:
    """What is told of handlers that have ended fails so often: in the middle of seeing to a message."""
    tell, left = running.consumer.idle, [crashes]

    def idle() -> None:
        if any(running.consumer.parked) and left[0]:
            left[0] -= 1
            raise RuntimeError("in the middle of settling")
        tell()

    running.consumer.idle = idle  # type: ignore[method-assign]


def crash(running: RunningConsumer) -> None:
    """Let the pump crash while handlers run."""
    pump = running.consumer._pump
    assert pump is not None
    assert pump._crew._crash is not None
    pump._crew._crash.set_exception(RuntimeError("a crash"))


@pytest.mark.parametrize("order", ["partition", "key", "none"])
def test_a_message_that_stood_in_no_queue_when_the_pump_crashed_is_taken_up_again(order: str) -> None:
    """In its place: the pump starts anew without leaving the group, and what waits behind comes after it."""
    broker, worker = ScriptedBroker(AT), Worker(ValueError("no"))

    async def scenario() -> None:
        async with RunningConsumer(broker, worker, order=order, concurrency=1) as running:
            crashing_endings(running, 1)
            broker.member.feed(AT, b"1", b"2", b"3")
            await until(lambda: broker.stored.get(AT) == 3, 30.0)
            assert len(broker.members) == 1

    run(scenario())

    assert sorted(worker.values) == [b"1", b"1", b"2", b"3"]
    assert order != "partition" or worker.values == [b"1", b"1", b"2", b"3"]


@pytest.mark.parametrize("order", ["partition", "none"])
def test_a_message_of_a_batch_that_stood_nowhere_is_handed_over_by_itself(order: str) -> None:
    """And the batches behind it follow, once it is dealt with."""
    broker, store = ScriptedBroker(AT), Store(b"bad")

    async def scenario() -> None:
        running = RunningConsumer(broker, unused)
        batched(running, store, BatchLimits(3, 1.0), order=order, drop=False)
        async with running:
            crashing_endings(running, 1)
            broker.member.feed(AT, b"1", b"bad", b"2", b"3", b"4")
            await pass_time(20)
            assert [str(each) for each in running.consumer.parked]
            store.bad.clear()
            await until(lambda: broker.stored.get(AT) == 5, 120.0)
            assert len(broker.members) == 1

    run(scenario())

    assert sorted(store.stored) == [b"1", b"2", b"3", b"4", b"bad"]
    assert order != "partition" or store.stored[-2:] == [b"3", b"4"]


@pytest.mark.parametrize(("order", "key"), [("none", None), ("key", b"one")])
def test_what_waits_for_a_call_or_a_key_is_left_where_it_waits(order: str, key: bytes | None) -> None:
    """A pump that starts again calls each once more at the most, in the order that there was."""
    broker, handled, first = ScriptedBroker(AT), list[bytes](), asyncio.Event()

    async def handle(value: bytes) -> None:
        if value == b"1" and not first.is_set():
            first.set()
            await asyncio.Event().wait()
        await pass_time(0.1)
        handled.append(value)

    async def scenario() -> None:
        async with RunningConsumer(broker, handle, order=order, concurrency=1) as running:
            fetch = broker.fetch(AT, b"1", b"2", b"3")
            for each in fetch.records:
                each.key = key  # type: ignore[attr-defined] # a record of memory's, whose key is plain
            broker.member.feed_fetch(fetch)
            await first.wait()
            await pass_time(1)
            crash(running)
            await until(lambda: broker.stored.get(AT) == 3, 30.0)
            assert len(broker.members) == 1

    run(scenario())

    assert sorted(handled) == [b"1", b"2", b"3"]
    assert order != "key" or handled == [b"1", b"2", b"3"]


def test_a_message_that_waits_for_a_call_of_its_route_is_served_when_none_runs() -> None:
    """The call whose end it waited for has ended with the pump."""
    routes, served = routes_to(Worker()), list[BoundRoute]()
    partition = Partition(Lease(AT), routes, FlowGate(), Pump(1, RaisingNotices()))
    route, fetch = routes.kinds[None], ScriptedBroker().fetch(AT, b"1")
    message = OpenMessage(partition, next(iter(fetch.records)), route, None)
    partition.enter(message)
    route.waiting.append(message)

    reclaim(partition, served.append)

    assert served == [route]
    assert not partition.due


def test_a_drain_does_not_wait_for_handlers_that_ended_with_a_crashed_pump() -> None:
    """The pump that starts anew knows that none of them runs."""
    broker, go = ScriptedBroker(AT), asyncio.Event()

    async def handle(value: bytes) -> None:
        await go.wait()

    async def scenario() -> float:
        async with RunningConsumer(broker, handle, order="none") as running:
            broker.member.feed(AT, b"1", b"2")
            await pass_time(1)
            partition, began = running.consumer.partitions[AT], asyncio.get_running_loop().time()
            partition.stop()
            crash(running)
            await partition.drained.wait()
            return asyncio.get_running_loop().time() - began

    assert run(scenario())[0] < 2


def test_a_message_in_hand_is_handled_again_by_the_pump_that_starts_anew() -> None:
    """Its call ended with the pump, so it is due, before what stands behind it."""
    calls = Calls("key", 2, "park")
    stage = Stage(calls, kinds=1, most_open=100)
    records = [MemoryRecord("orders", 0, n, 0, b"k", b"v", [("type", b"a")]) for n in range(2)]
    stage.assign(0, [Message(record, deque(["waits"])) for record in records], 0, Finished())
    assert [each.state for each in stage.owned[0].fed] == ["running", "waiting"]

    stage.stop_pump()
    stage.start_pump()

    assert [each.state for each in stage.owned[0].fed] == ["finished", "running"]
    stage.let(calls.running)
    assert stage.owned[0].partition.committable == 2
    stage.close()
    assert calls.wrongs == []
