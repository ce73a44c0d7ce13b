"""A member whose client is alive and silent is found by what the broker says, and its client rebuilt."""

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest
from tests.actors.scripted import AT, OTHER, Outage, RunningConsumer, ScriptedBroker, Worker
from tests.simulated import pass_time, run, until

from partita import TopicMissing
from partita.actors.supervisor import Supervisor
from partita.core.restarts import FailureKind, Supervision
from partita.core.views import BrokerView

OWNED = frozenset({AT})


async def fails(running: RunningConsumer) -> tuple[BaseException | None, float]:
    """What the consumer fails with, and when."""
    await asyncio.wait([running.task])
    return running.task.exception(), asyncio.get_running_loop().time()


@pytest.mark.parametrize(
    ("initial", "view", "told", "state"),
    [
        ([AT], BrokerView(True, OWNED, unread={AT: 7}), "messages wait", "not fetching"),
        ([AT], BrokerView(True, OWNED, unread=None), "messages wait", "not fetching"),
        ([], BrokerView(True, OWNED), "this member knows nothing", "owned at the broker but not here"),
        ([AT], BrokerView(True), "does not count it", "lease lost"),
        ([], BrokerView(True, orphans=frozenset({OTHER})), "no member of the group", ""),
    ],
)
def test_a_silent_client_is_told_and_rebuilt_within_30_seconds(
    initial: Sequence[object], view: BrokerView, told: str, state: str
) -> None:
    """State and health first, then the consumer fails with what does not fit."""
    broker = ScriptedBroker(*([AT] if initial else []))
    broker.view = view

    async def scenario() -> tuple[BaseException | None, float, list[str]]:
        async with RunningConsumer(broker, Worker()) as running:
            await pass_time(12)
            assert not all(each.healthy for each in running.consumer.parts.values())
            states = [each.name.value for each in running.consumer.states]
            return *(await fails(running)), states

    (error, when, states), _ = run(scenario())

    assert isinstance(error, TimeoutError)
    assert str(error).startswith("the client is rebuilt: orders/")
    assert told in str(error)
    assert states == ([state] if state else [])
    assert when < 30


def test_messages_that_come_late_pass_the_doubt() -> None:
    """A broker that was slow for ten seconds has done nothing wrong."""
    broker = ScriptedBroker(AT)
    broker.view = BrokerView(True, OWNED, unread={AT: 1})

    async def scenario() -> None:
        async with RunningConsumer(broker, Worker()) as running:
            for _ in range(20):
                await pass_time(10)
                broker.member.feed(AT, b"1")
            assert not running.task.done()

    run(scenario())


def test_a_topic_that_is_gone_fails_the_consumer_by_its_name() -> None:
    """Once two answers in a row have said so: one may be that of a broker that does not know yet."""
    broker = ScriptedBroker(AT)

    async def scenario() -> tuple[BaseException | None, float]:
        async with RunningConsumer(broker, Worker()) as running:
            await pass_time(7)
            broker.view = BrokerView(True, OWNED, missing=frozenset({"orders"}))
            return await fails(running)

    (error, when), _ = run(scenario())

    assert isinstance(error, TopicMissing)
    assert when <= 17


def test_a_broker_that_does_not_answer_says_nothing_of_the_member(caplog: pytest.LogCaptureFixture) -> None:
    """It is away, and a new client would not bring it back; told once."""
    broker = ScriptedBroker(AT)
    broker.view = Outage("away")
    caplog.set_level("INFO", logger="partita.consumer")

    async def scenario() -> None:
        async with RunningConsumer(broker, Worker()) as running:
            await pass_time(50)
            assert not running.task.done()

    run(scenario())

    assert caplog.text.count("Outage: away") == 1


def test_a_restart_counts_when_the_client_has_proved_that_it_works(caplog: pytest.LogCaptureFixture) -> None:
    """To have joined is no proof: red until the first message, or until there is honestly none."""
    broker = ScriptedBroker(AT)
    running = RunningConsumer(broker, Worker())
    caplog.set_level("INFO", logger="partita.consumer")

    def healthy() -> bool:
        return running.consumer.parts["consumer billing"].healthy

    async def scenario() -> None:
        supervisor = Supervisor("bus", Supervision(), lambda name, error: FailureKind.TRANSPORT)
        supervisor.add("consumer", partial(running.consumer.run))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(supervisor.run())
            await until(lambda: running.consumer.witness.proven)
            broker.view = BrokerView(True, OWNED, unread={AT: 1})
            broker.member.fail(Outage("away"))
            await until(lambda: len(broker.members) == 2 and running.consumer.joined)
            await pass_time(5)
            assert not healthy()
            broker.member.feed(AT, b"1")
            await pass_time(2)
            assert healthy()
            broker.view = None
            broker.member.fail(Outage("away"))
            await until(lambda: len(broker.members) == 3 and running.consumer.joined)
            await pass_time(2)
            assert healthy()
            await running.consumer.drain()

    run(scenario())

    assert caplog.text.count("billing: works again after 1 failures in") == 2


def test_a_client_that_never_gets_its_partitions_back_is_rebuilt_again() -> None:
    """The story of the restarted actor that never subscribes again: nothing is assigned, nobody says so."""
    broker = ScriptedBroker()
    broker.view = BrokerView(True, orphans=OWNED)
    running = RunningConsumer(broker, Worker())

    async def scenario() -> None:
        supervisor = Supervisor("bus", Supervision(), lambda name, error: FailureKind.TRANSPORT)
        supervisor.add("consumer", running.consumer.run)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(supervisor.run())
            await until(lambda: len(broker.members) == 2, 30.0)
            broker.initial, broker.view = (AT,), None
            broker.member.fail(Outage("away"))
            await until(lambda: running.consumer.witness.proven, 10.0)
            assert running.consumer.witness.rebuilds == 1
            assert list(running.consumer.partitions) == [AT]
            await running.consumer.drain()

    run(scenario())


@pytest.mark.parametrize(("begins", "gone"), [(6, 3), (20, 7), (3, 0), (None, 0)])
def test_what_was_deleted_unread_is_told_with_its_number_and_holes_are_not(
    begins: int | None, gone: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Only what lies below the first offset that is left was deleted; the rest never held a message."""
    broker = ScriptedBroker(AT)
    broker.stored[AT] = 3
    broker.rewind(AT, 10)

    async def scenario() -> None:
        async with RunningConsumer(broker, Worker()) as running:
            broker.view = BrokerView(True, OWNED, begins={} if begins is None else {AT: begins})
            broker.member.feed(AT, b"1")
            await until(lambda: broker.stored[AT] == 11)
            await pass_time(6)
            assert running.consumer.witness.deleted == gone

    run(scenario())

    told = f"orders/0: {gone} offsets from 3 on were deleted before they were handled; it goes on at 10"
    assert (told in caplog.text) == bool(gone)


def test_a_jump_in_the_middle_is_looked_at_too() -> None:
    """Retention may overtake a slow reader."""
    broker = ScriptedBroker(AT)

    async def scenario() -> None:
        async with RunningConsumer(broker, Worker()) as running:
            broker.member.feed(AT, b"1")
            await until(lambda: broker.stored.get(AT) == 1)
            broker.view = BrokerView(True, OWNED, begins={AT: 5})
            broker.rewind(AT, 5)
            broker.member.feed(AT, b"2")
            await until(lambda: running.consumer.witness.deleted == 4, 10.0)

    run(scenario())
