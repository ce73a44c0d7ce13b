"""What is found out between requests, so that no request asks the broker."""

import asyncio
import logging

import pytest
from tests.faulty import FaultyBackend
from tests.simulated import pass_time, run

from partita import EventBus, Health
from partita_worker.endpoint.watch import ANSWER_SECONDS, ASK_SECONDS, Watch


class Broken(EventBus):
    """A bus whose health check has a bug."""

    async def health_check(self, *, timeout: float = 1.0) -> Health:
        """Fail."""
        raise ZeroDivisionError("a bug")


def watched(bus: EventBus) -> tuple[Watch, "asyncio.Task[None]"]:
    """A watch that runs."""
    loop = asyncio.get_running_loop()
    watch = Watch(bus, loop.time)
    return watch, loop.create_task(watch.run())


def test_a_silent_broker_is_red_within_ten_seconds_and_green_again() -> None:
    """Asked every two seconds, with five for its answer; nobody has to send a request for it."""
    backend = FaultyBackend()

    async def scenario() -> None:
        bus = EventBus(backend)
        watch, task = watched(bus)
        await pass_time(1)
        assert watch.health.parts["broker"].reason == "the worker has not connected to it yet"
        async with bus:
            await pass_time(ASK_SECONDS)
            assert watch.health.healthy
            backend.answers.clear()
            await pass_time(ASK_SECONDS + ANSWER_SECONDS)
            assert watch.health.parts["broker"].reason == "no answer within 5 s"
            backend.answers.set()
            await pass_time(ASK_SECONDS + 0.1)
            assert watch.health.healthy
        task.cancel()

    run(scenario())


def test_what_was_known_once_is_not_told_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    """A health check that fails leaves the last answer standing for ten seconds, and is red then."""
    caplog.set_level(logging.CRITICAL, "partita_worker.endpoint")
    backend = FaultyBackend()

    async def scenario() -> None:
        async with EventBus(backend) as bus:
            watch, task = watched(bus)
            await pass_time(1)
            watch.bus = Broken(backend)
            await pass_time(7)
            assert watch.health.healthy
            await pass_time(5)
            part = watch.health.parts["health check"]
            assert not part.healthy
            assert part.since == pytest.approx(13.0)
            task.cancel()

    run(scenario())


def test_a_loop_that_came_late_is_told() -> None:
    """By how much, at the last look."""

    async def scenario() -> None:
        async with EventBus(FaultyBackend()) as bus:
            clock = [0.0]
            watch = Watch(bus, lambda: clock[0])
            task = asyncio.get_running_loop().create_task(watch.run())
            await pass_time(1)
            clock[0] = ASK_SECONDS + 0.75
            await pass_time(ASK_SECONDS)
            assert watch.lag == pytest.approx(0.75)
            task.cancel()

    run(scenario())
