"""The monitor names what each partition of a member is doing, on virtual time."""

import asyncio
from collections.abc import Sequence

import anyio
from tests.actors.scripted import AT, ONCE, OTHER, QUICK, Outage, RunningConsumer, ScriptedBroker, Worker
from tests.simulated import pass_time, run, until

from partita.core.process_flow import FlowLimits, ProcessFlow
from partita.core.states import StateName
from partita.core.views import BrokerView


def names(running: RunningConsumer) -> Sequence[str]:
    """The states of the member's partitions, in their order."""
    return [each.name.value for each in running.consumer.states]


def test_a_handler_that_waits_is_flowing_then_slow_and_named() -> None:
    """Nothing is noted for a message: two looks that see the same call tell how long it takes."""
    broker, go = ScriptedBroker(AT), anyio.Event()

    async def handle(value: bytes) -> None:
        await go.wait()

    async def scenario() -> tuple[Sequence[str], str]:
        async with RunningConsumer(broker, handle) as running:
            broker.member.feed(AT, b"1")
            await pass_time(3)
            before = names(running)
            await pass_time(10)
            told = str(running.consumer.states[0])
            go.set()
            return before, told

    (before, told), _ = run(scenario())

    assert before == ["flowing"]
    assert told.startswith("orders/0 slow handler (handler at 0 for 1")


def test_a_slow_call_is_seen_beside_others_of_its_partition() -> None:
    """Its message is open then, and the others go on."""
    broker, go = ScriptedBroker(AT), anyio.Event()

    async def handle(value: bytes) -> None:
        if value == b"slow":
            await go.wait()

    async def scenario() -> str:
        async with RunningConsumer(broker, handle, order="none") as running:
            broker.member.feed(AT, b"1", b"slow")
            for _ in range(8):
                broker.member.feed(AT, b"2")
                await pass_time(1)
            told = running.consumer.states[0].detail
            go.set()
            return told

    assert run(scenario())[0].startswith("handler at 1 for ")


def test_a_hot_key_that_fills_its_partition_is_told_as_such() -> None:
    """With how many wait; which key it is stays out of it."""
    broker = ScriptedBroker(AT)
    broker.flow = ProcessFlow(FlowLimits(partition_unfinished=10))

    async def handle(value: bytes) -> None:
        await pass_time(0.5)

    async def scenario() -> tuple[str, str]:
        async with RunningConsumer(broker, handle, order="key") as running:
            fetch = broker.fetch(AT, *[b"%d" % number for number in range(40)])
            for each in fetch.records:
                each.key = b"hot"  # type: ignore[attr-defined] # a record of memory's, whose key is plain
            broker.member.feed_fetch(fetch)
            await pass_time(1.2)
            state = running.consumer.states[0]
            return state.name.value, state.detail

    (name, detail), _ = run(scenario())

    assert name == "blocked by key"
    assert "hot" not in detail


def test_one_parked_message_is_the_state_of_its_partition_alone() -> None:
    """The other partition goes on."""
    broker = ScriptedBroker(AT, OTHER)

    async def refuse(value: bytes) -> None:
        raise ValueError("no")

    async def scenario() -> Sequence[str]:
        async with RunningConsumer(broker, refuse, retry=ONCE) as running:
            broker.member.feed(AT, b"1")
            await pass_time(10)
            return [each.name.value for each in running.consumer.states if each.name is StateName.PARKED]

    assert run(scenario())[0] == ["parked"]


def test_a_partition_that_was_lost_is_told_until_the_next_assignment() -> None:
    """And its health with it."""
    broker = ScriptedBroker(AT)

    async def scenario() -> None:
        async with RunningConsumer(broker, Worker(), retry=QUICK) as running:
            broker.member.listener.lost([AT])
            await pass_time(2)
            assert str(running.consumer.states[0]) == "orders/0 lease lost (the broker took it away) for 2 s"
            assert not running.consumer.parts["orders/0"].healthy
            broker.member.listener.assigned([AT])
            assert "orders/0" not in running.consumer.parts
            assert StateName.LEASE_LOST not in {each.name for each in running.consumer.states}

    run(scenario())


def test_a_client_that_failed_leaves_its_partitions_as_lost_with_its_words() -> None:
    """Until the next client has an assignment."""
    broker = ScriptedBroker(AT)

    async def scenario() -> str:
        async with RunningConsumer(broker, Worker()) as running:
            await until(lambda: running.consumer.joined)
            broker.member.fail(Outage("away"))
            await asyncio.wait([running.task])
            return str(running.consumer.states[0])

    assert run(scenario())[0] == "orders/0 lease lost (Outage: away) for 0 s"


def test_a_message_proves_a_client_though_the_broker_says_nothing_of_it() -> None:
    """An account that may not describe its group works all the same."""
    broker = ScriptedBroker(AT)
    broker.view = Outage("not allowed")

    async def scenario() -> None:
        async with RunningConsumer(broker, Worker()) as running:
            await pass_time(3)
            assert not running.consumer.witness.proven
            broker.member.feed(AT, b"1")
            await pass_time(2)
            assert running.consumer.witness.proven

    run(scenario())


def test_a_lost_partition_is_no_longer_told_once_the_broker_says_that_another_has_it() -> None:
    """And told as lost alone while the broker still says that it is this member's."""
    broker = ScriptedBroker(AT, OTHER)

    async def scenario() -> tuple[Sequence[str], Sequence[str]]:
        async with RunningConsumer(broker, Worker()) as running:
            await pass_time(2)
            broker.view = BrokerView(True, frozenset({AT, OTHER}), unread={OTHER: 0})
            broker.member.listener.lost([AT])
            await pass_time(14)
            before = names(running)
            broker.view = BrokerView(True, frozenset({OTHER}), unread={OTHER: 0})
            await pass_time(6)
            return before, names(running)

    assert run(scenario())[0] == (["lease lost", "caught up"], ["caught up"])
