"""A message that is held before its handler: it costs no attempt and holds up no drain."""

import asyncio

from tests.actors.scripted import AT, QUICK, RunningConsumer, ScriptedBroker
from tests.simulated import run, until

from partita.actors.holds import Postponed


def test_a_drain_ends_the_wait_and_leaves_the_message_unfinished() -> None:
    """What came before it is committed, and nothing is parked."""
    broker, held = ScriptedBroker(AT), list[bytes]()

    async def scenario() -> None:
        async def handler(value: bytes) -> None:
            if value == b"2":
                held.append(value)
                ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                route = running.routes.only
                assert route is not None
                await route.holds.wait(AT, ready, "rate limit")

        async with RunningConsumer(broker, handler, retry=QUICK) as running:
            broker.member.feed(AT, b"1", b"2", b"3")
            await until(lambda: held)
            before = asyncio.get_running_loop().time()
            await running.consumer.drain()
            assert asyncio.get_running_loop().time() - before < 1.0
            assert (running.consumer.handled, running.consumer.abandoned) == (1, 0)
            assert list(running.consumer.parked) == []

    run(scenario())

    assert held == [b"2"]
    assert broker.stored == {AT: 1}


def test_a_message_that_is_postponed_for_no_drain_is_tried_again_as_the_same_attempt() -> None:
    """However often that happens, it is not parked, and the loop goes on."""
    broker, calls = ScriptedBroker(AT), list[bytes]()

    async def handler(value: bytes) -> None:
        calls.append(value)
        if len(calls) < 10:
            raise Postponed

    async def scenario() -> None:
        async with RunningConsumer(broker, handler, retry=QUICK) as running:
            broker.member.feed(AT, b"1")
            await until(lambda: running.consumer.handled == 1)
            assert list(running.consumer.parked) == []

    run(scenario())

    assert calls == [b"1"] * 10
