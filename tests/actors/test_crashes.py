"""A pump that crashes starts again in place: nothing is skipped, nothing is repeated."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator

import pytest
from tests.actors.calls import Calls, Message
from tests.actors.scripted import AT, RaisingNotices, RunningConsumer, ScriptedBroker, Worker, routes_to
from tests.actors.stage import Stage
from tests.simulated import pass_time, run, until

from partita import RestartLimitReached
from partita.actors.partition import Partition
from partita.actors.pump import Pump
from partita.actors.supervisor import Supervisor
from partita.backends.memory.records import MemoryRecord
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
