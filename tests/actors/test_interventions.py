"""Partitions that somebody pauses, and parked messages that somebody decides about, on virtual time."""

import asyncio

import anyio
import pytest
from tests.actors.scripted import AT, ONCE, RunningConsumer, ScriptedBroker
from tests.simulated import pass_time, run, until

from partita.actors.interventions import give_up, go_on, pause, try_again

Order = pytest.mark.parametrize("order", ["partition", "key", "none"])


class Sick:
    """A handler that fails for some values until it is healed, and notes what it was called with."""

    def __init__(self, *bad: bytes) -> None:
        self.bad = {*bad}
        self.calls: list[bytes] = []

    async def __call__(self, value: bytes) -> None:
        """Handle, or fail."""
        self.calls.append(value)
        await asyncio.sleep(0)
        if value in self.bad:
            raise ValueError("no")


@Order
def test_a_paused_partition_starts_nothing_until_it_is_resumed(order: str) -> None:
    """What comes meanwhile waits, and its state says by whom it is held."""
    broker, handler = ScriptedBroker(AT), Sick()

    async def scenario() -> tuple[list[bytes], str, str]:
        async with RunningConsumer(broker, handler, order=order) as running:
            partition = running.consumer.partitions[AT]
            pause(partition)
            pause(partition)
            broker.member.feed(AT, b"1", b"2")
            await pass_time(60)
            before, told = list(handler.calls), str(running.consumer.states[0])
            go_on(partition)
            go_on(partition)
            await until(lambda: broker.stored.get(AT) == 2)
            return before, told, str(running.consumer.states[0])

    (before, told, after), _ = run(scenario())

    assert before == []
    assert told.startswith("orders/0 paused (by hand)")
    assert "paused" not in after
    assert handler.calls == [b"1", b"2"]


@Order
def test_a_parked_message_is_tried_again_at_once_when_asked_for(order: str) -> None:
    """And not after the minute that it would wait; others that are parked are left alone by its offset."""
    broker, handler = ScriptedBroker(AT), Sick(b"bad")

    async def scenario() -> float:
        async with RunningConsumer(broker, handler, retry=ONCE, order=order) as running:
            partition = running.consumer.partitions[AT]
            broker.member.feed(AT, b"bad")
            await until(lambda: any(partition.parked))
            handler.bad.clear()
            began = anyio.current_time()
            assert try_again(partition, 7) == 0
            assert try_again(partition) == 1
            assert try_again(partition) == 0
            await until(lambda: broker.stored.get(AT) == 1)
            return anyio.current_time() - began

    seconds, _ = run(scenario())

    assert seconds < 5
    assert handler.calls == [b"bad", b"bad"]


@Order
def test_a_message_that_is_given_up_is_passed_and_what_waits_behind_it_begins(order: str) -> None:
    """Its partition goes on, the commit goes past it, and it counts as failed."""
    broker, handler = ScriptedBroker(AT), Sick(b"bad")

    async def scenario() -> tuple[str, int, int]:
        async with RunningConsumer(broker, handler, retry=ONCE, order=order) as running:
            partition = running.consumer.partitions[AT]
            broker.member.feed(AT, b"bad", b"1", b"2")
            await until(lambda: any(partition.parked))
            assert give_up(partition, 1) is None
            told = give_up(partition, 0)
            assert give_up(partition, 0) is None
            running.consumer.idle()
            await until(lambda: broker.stored.get(AT) == 3)
            return str(told), partition.handled, partition.failed

    (told, handled, failed), _ = run(scenario())

    assert told == "orders/0@0 in handler: ValueError: no"
    assert (handled, failed) == (2, 1)
    assert sorted(handler.calls) == [b"1", b"2", b"bad"]


def test_what_waits_behind_a_key_that_is_given_up_begins() -> None:
    """The next of its key, and nothing of it is lost."""
    broker, handler = ScriptedBroker(AT), Sick(b"bad")

    async def scenario() -> None:
        running = RunningConsumer(broker, handler, retry=ONCE, order="key")
        running.routes.kinds[None].lane_of = lambda record: b"one key"
        async with running:
            partition = running.consumer.partitions[AT]
            broker.member.feed(AT, b"bad", b"1", b"2")
            await until(lambda: any(partition.parked))
            give_up(partition, 0)
            running.consumer.idle()
            await until(lambda: broker.stored.get(AT) == 3)

    run(scenario())

    assert handler.calls == [b"bad", b"1", b"2"]


def test_a_message_that_is_being_tried_is_not_given_up() -> None:
    """Its handler runs: whoever asks is told so, and asks again."""
    broker, gate = ScriptedBroker(AT), anyio.Event()
    calls = 0

    async def handle(value: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            await gate.wait()
        raise ValueError("no")

    async def scenario() -> object:
        async with RunningConsumer(broker, handle, retry=ONCE) as running:
            partition = running.consumer.partitions[AT]
            broker.member.feed(AT, b"bad")
            await until(lambda: any(partition.parked))
            try_again(partition)
            await until(lambda: calls == 2)
            told = give_up(partition, 0)
            gate.set()
            return told

    assert run(scenario())[0] is None
