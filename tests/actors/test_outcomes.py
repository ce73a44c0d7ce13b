"""A handler's exception is an outcome: retries wait in place, parked messages are tried again."""

import asyncio
import itertools

import anyio
import pytest
from tests.actors.scripted import (
    AT,
    QUICK,
    RunningConsumer,
    ScriptedBroker,
    Worker,
)
from tests.simulated import pass_time, run, until

from partita.core.health import Parked


def test_a_failed_message_is_tried_again_before_the_next() -> None:
    """Order is kept across retries."""
    worker, broker = Worker(ValueError("no"), ValueError("no")), ScriptedBroker(AT)

    async def scenario() -> None:
        async with RunningConsumer(broker, worker, retry=QUICK) as running:
            broker.member.feed(AT, b"1", b"2")
            await until(lambda: worker.calls)
            assert [str(each) for each in running.consumer.states] == ["orders/0 retry (in 1.0 s) for 0 s"]
            await until(lambda: broker.stored.get(AT) == 2)

    run(scenario())

    assert worker.values == [b"1", b"1", b"1", b"2"]
    assert [at for at, _ in worker.calls] == [0.01, 1.01, 3.01, 3.01]


def test_more_messages_do_not_end_the_wait_for_an_attempt() -> None:
    """A busy partition must not hammer what is broken."""
    worker, broker = Worker(ValueError("no")), ScriptedBroker(AT)

    async def scenario() -> None:
        async with RunningConsumer(broker, worker, retry=QUICK):
            broker.member.feed(AT, b"1")
            await until(lambda: worker.calls)
            broker.member.feed(AT, b"2")
            await until(lambda: broker.stored.get(AT) == 2)

    run(scenario())

    assert worker.calls == [(0.01, b"1"), (1.01, b"1"), (1.01, b"2")]


def test_the_state_says_retry_only_while_it_waits() -> None:
    """An attempt that is under way is no longer waited for."""
    states = list[str]()
    broker = ScriptedBroker(AT)

    async def handle(value: bytes) -> None:
        states.append(running.consumer.states[0].name.value)
        if len(states) == 1:
            raise ValueError("no")

    running = RunningConsumer(broker, handle, retry=QUICK)

    async def scenario() -> None:
        async with running:
            broker.member.feed(AT, b"1")
            await until(lambda: len(states) == 2)

    run(scenario())

    assert states == ["flowing", "flowing"]


def test_a_message_with_no_attempt_left_is_parked_and_tried_again_every_minute() -> None:
    """A dependency that comes back needs nobody; until then nothing is committed past the message."""
    worker, broker = Worker(), ScriptedBroker(AT)
    parked = Parked("handler", "orders", 0, 1, "ValueError: no")

    async def scenario() -> None:
        async with RunningConsumer(broker, worker) as running:
            broker.member.feed(AT, b"before")
            await until(lambda: broker.stored.get(AT) == 1)
            worker.errors += [ValueError("no")] * 3
            broker.member.feed(AT, b"1", b"2")
            await until(lambda: running.consumer.parked)
            assert f"orders/0 parked ({parked}) for 0 s" == str(running.consumer.states[0])
            await pass_time(100)
            assert [parked] == list(running.consumer.parked)
            assert broker.stored[AT] == 1
            await until(lambda: broker.stored[AT] == 3)
            assert list(running.consumer.parked) == []

    run(scenario())

    assert worker.values == [b"before", b"1", b"1", b"1", b"1", b"2"]
    waits = [second - first for (first, _), (second, _) in itertools.pairwise(worker.calls[1:])]
    assert [round(each) for each in waits] == [60, 60, 60, 0]


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        asyncio.CancelledError(),
        ExceptionGroup("several", [ValueError("no")]),
        BaseExceptionGroup("several", [SystemExit(3)]),
        TimeoutError(),
        StopAsyncIteration(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_handler_raises_is_the_outcome_of_its_message(error: BaseException) -> None:
    """It is tried again in its place, and the pump goes on."""
    worker, broker = Worker(error), ScriptedBroker(AT)

    async def scenario() -> None:
        async with RunningConsumer(broker, worker, retry=QUICK) as running:
            broker.member.feed(AT, b"1", b"2")
            await until(lambda: broker.stored.get(AT) == 2)
            wanted = isinstance(error, SystemExit | KeyboardInterrupt)
            assert ([error] if wanted else []) == running.stop_requests

    run(scenario())

    assert worker.values == [b"1", b"1", b"2"]


def test_an_error_without_a_text_parks_its_message_and_nothing_else() -> None:
    """A broken error class must not bring down the pump that tells it."""

    class Unspeakable(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    worker, broker = Worker(Unspeakable()), ScriptedBroker(AT)

    async def scenario() -> None:
        async with RunningConsumer(broker, worker) as running:
            broker.member.feed(AT, b"1")
            await until(lambda: running.consumer.parked)
            assert "Unspeakable" in str(next(iter(running.consumer.parked)))
            await until(lambda: broker.stored.get(AT) == 1)

    run(scenario())


def test_a_handler_that_cancelled_its_own_task_does_not_stop_its_partition() -> None:
    """Old time-out libraries leave such a mark on the task; a partition must never be silently idle."""
    broker, seen = ScriptedBroker(AT), list[bytes]()

    async def handle(value: bytes) -> None:
        seen.append(value)
        task = asyncio.current_task()
        if len(seen) == 1 and task is not None:
            task.cancel()
            await pass_time(1)

    async def scenario() -> None:
        async with RunningConsumer(broker, handle, retry=QUICK):
            broker.member.feed(AT, b"1", b"2")
            await until(lambda: broker.stored.get(AT) == 2)

    run(scenario())

    assert seen == [b"1", b"1", b"2"]


def test_a_time_out_inside_a_handler_is_the_handlers_own() -> None:
    """Scopes of asyncio and anyio end where they were opened."""
    broker, seen = ScriptedBroker(AT), list[str]()

    async def handle(value: bytes) -> None:
        with anyio.move_on_after(1):
            await pass_time(5)
        try:
            async with asyncio.timeout(1):
                await pass_time(5)
        except TimeoutError:
            seen.append("timed out")

    async def scenario() -> None:
        async with RunningConsumer(broker, handle):
            broker.member.feed(AT, b"1", b"2")
            await until(lambda: broker.stored.get(AT) == 2)

    run(scenario())

    assert seen == ["timed out", "timed out"]
