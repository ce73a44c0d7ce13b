"""Tasks of the user's own beside a run: restarted, told by health, ended with the bus."""

import asyncio
from collections.abc import Callable

import anyio
import pytest
from tests.faulty import FaultyBackend, Outage
from tests.simulated import pass_time, run, until

from partita import EventBus, RestartLimitReached, Router, SettingsError, TopicMissing, open_bus


async def ignore(value: bytes) -> None:
    """Handle."""


def router_of() -> Router:
    """A router with one handler that does nothing."""
    router = Router()
    router.handler("orders")(ignore)
    return router


class Actor:
    """Notes when it is called, and then raises what it is told to, returns, or lives on."""

    def __init__(self, *errors: BaseException, lives: bool = True) -> None:
        self.errors, self.lives = list(errors), lives
        self.calls: list[float] = []
        self.ended = False

    async def __call__(self) -> None:
        self.calls.append(round(asyncio.get_running_loop().time(), 1))
        if self.errors:
            raise self.errors.pop(0)
        if self.lives:
            try:
                await asyncio.Event().wait()
            finally:
                self.ended = True


def test_a_failure_is_followed_by_another_call_and_red_until_it_has_run_for_a_while() -> None:
    """Since the first of several failures, with the error's words."""
    actor = Actor(ValueError("no"), ValueError("no"))

    async def scenario() -> None:
        async with open_bus() as bus:
            task = bus.supervise(actor, name="inventory")
            await until(lambda: task.calls == 3)
            part = (await bus.health_check()).parts["task inventory"]
            assert (part.healthy, part.reason) == (False, "ValueError: no")
            assert part.since == pytest.approx(1.5, abs=0.5)
            await pass_time(5)
            assert (await bus.health_check()).healthy
            assert repr(task) == "<Supervised 'inventory' running, called 3 times>"
        assert actor.ended
        assert not task.running

    run(scenario())


def test_the_sixth_failure_in_a_minute_ends_the_run_in_good_order() -> None:
    """What is in hand is finished, and then the run raises, as for a consumer: a worker exits with 6."""
    error, handled = ValueError("no"), list[bytes]()
    actor = Actor(*[error] * 6)

    async def scenario() -> None:
        router = Router()

        @router.handler("orders")
        async def handle(value: bytes) -> None:
            await until(lambda: not actor.errors)
            handled.append(value)

        async with open_bus() as bus:
            await bus.publish("orders", b"1")
            bus.supervise(actor, name="inventory")
            await bus.run(router)

    with pytest.raises(RestartLimitReached, match="inventory failed 6 times") as caught:
        run(scenario())

    assert caught.value.__cause__ is error
    assert handled == [b"1"]


def test_a_broker_that_is_away_is_waited_for_and_its_own_errors_are_not() -> None:
    """As for a consumer: an outage never counts, and what cannot be helped is raised as it is."""
    missing = TopicMissing("prices")
    actor = Actor(*[Outage("away")] * 100, missing)

    async def scenario() -> None:
        async with EventBus(FaultyBackend()) as bus:
            bus.supervise(actor, name="prices")
            await bus.run(router_of(), group="g")

    with pytest.raises(TopicMissing) as caught:
        run(scenario())

    assert caught.value is missing
    assert len(actor.calls) == 101


@pytest.mark.parametrize(
    ("restart", "calls", "healthy"), [("permanent", 6, False), ("transient", 1, True), ("temporary", 1, True)]
)
def test_to_return_is_a_failure_of_a_permanent_task_only(restart: str, calls: int, healthy: bool) -> None:
    """The others have done what they were there for."""
    actor = Actor(lives=False)

    async def scenario() -> None:
        async with open_bus() as bus:
            task = bus.supervise(actor, name="inventory", restart=restart)  # type: ignore[arg-type]
            await pass_time(100)
            assert not task.running
            assert (await bus.health_check()).healthy == healthy
            bus._running._failure = None

    run(scenario())

    assert len(actor.calls) == calls


def test_a_temporary_task_that_failed_is_not_called_again_and_stays_red(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A transient one is."""
    once, again = Actor(ValueError("no")), Actor(ValueError("no"), lives=False)

    async def scenario() -> None:
        async with open_bus() as bus:
            bus.supervise(once, name="once", restart="temporary")
            bus.supervise(again, name="again", restart="transient")
            await pass_time(100)
            parts = (await bus.health_check()).parts
            assert [parts["task once"].reason, parts["task again"].reason] == [
                "ValueError: no",
                "ValueError: no",
            ]

    run(scenario())

    assert (len(once.calls), len(again.calls)) == (1, 2)
    assert "once failed: ValueError: no; it is not started again" in caplog.text


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_a_task_may_ask_for_the_end(error: BaseException) -> None:
    """The run ends in good order; the error does not tear the loop apart."""

    async def scenario() -> int:
        async with open_bus() as bus:
            await bus.publish("orders", b"1")

            async def leave() -> None:
                await until(lambda: subscription.handled == 1)
                raise error

            subscription = await bus.subscribe("orders", ignore)
            bus.supervise(leave, name="leaver")
            return (await bus.run(router_of())).handled

    assert run(scenario())[0] == 0


def test_the_limit_is_raised_by_the_next_run_or_the_close_when_nothing_runs() -> None:
    """Nobody misses it."""

    def failing() -> Actor:
        return Actor(*[ValueError("no")] * 6)

    async def then(act: Callable[[EventBus], object]) -> None:
        async with open_bus() as bus:
            task = bus.supervise(failing(), name="inventory")
            await until(lambda: not task.running)
            await act(bus)  # type: ignore[misc]

    for act in (lambda bus: bus.run(router_of()), lambda bus: pass_time(1)):
        with pytest.raises(RestartLimitReached):
            run(then(act))


def test_tasks_end_after_the_handlers_and_in_reverse_order() -> None:
    """A handler may need what a task does to its last message."""
    ended = list[str]()

    async def scenario() -> None:
        async with open_bus() as bus:

            def actor(name: str) -> Callable[[], object]:
                async def live() -> None:
                    try:
                        await asyncio.Event().wait()
                    finally:
                        ended.append(name)

                return live

            async def handle(value: bytes) -> None:
                await pass_time(2)
                ended.append("handler")

            for name in ("first", "second"):
                bus.supervise(actor(name), name=name)  # type: ignore[arg-type]
            await bus.subscribe("orders", handle)
            await bus.publish("orders", b"1")
            await pass_time(1)

    run(scenario())

    assert ended == ["handler", "second", "first"]


def test_a_task_that_does_not_end_does_not_hold_up_the_close(caplog: pytest.LogCaptureFixture) -> None:
    """For longer than ten seconds."""

    async def stubborn() -> None:
        with anyio.CancelScope(shield=True):
            await pass_time(60)

    async def scenario() -> float:
        async with open_bus() as bus:
            task = bus.supervise(stubborn, name="stubborn")
            await pass_time(1)
        closed = asyncio.get_running_loop().time()
        await until(lambda: not task.running)
        return closed

    assert run(scenario())[0] == pytest.approx(11.0, abs=0.1)
    assert "stubborn has not ended within 10 s" in caplog.text


def test_what_cannot_be_supervised_is_refused() -> None:
    """A name twice, no name, and a way to restart that there is not."""

    async def scenario() -> None:
        async with open_bus() as bus:
            await bus.supervise(Actor(), name="a").stop()
            bus.supervise(Actor(), name="a")
            for name, restart in (("a", "permanent"), ("", "permanent"), ("b", "permament")):
                with pytest.raises(SettingsError):
                    bus.supervise(Actor(), name=name, restart=restart)  # type: ignore[arg-type]

    run(scenario())
