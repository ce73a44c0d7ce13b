"""What a handler is told of its assignment: a number for its own store, and whether it still holds."""

import asyncio

import pytest
from tests.faulty import FaultyBackend
from tests.simulated import pass_time, run, until

from partita import Context, EventBus, Message, Router, SettingsError, open_bus
from partita.middleware import CallNext
from partita.running import RunOptions


async def ignore(value: bytes) -> None:
    """Handle."""


def test_a_handler_that_outlives_its_assignment_is_told() -> None:
    """It began as the owner; while it slept the partition went to another member and came back."""
    seen: list[tuple[int, bool]] = []
    asleep = True

    async def scenario() -> int:
        async with open_bus("memory://?partitions=1") as bus:
            router = Router()

            @router.handler("orders")
            async def handle(value: bytes, context: Context) -> None:
                seen.append((context.fence, context.still_mine()))
                while asleep and len(seen) == 1:
                    try:
                        await asyncio.sleep(0.05)
                    except asyncio.CancelledError:
                        continue  # on purpose: a handler may do such a thing
                seen.append((context.fence, context.still_mine()))

            await bus.publish("orders", b"1")
            running = asyncio.create_task(bus.run(router, group="g", drain_timeout=1.0))
            await until(lambda: len(seen) == 1)
            other = await bus.subscribe("elsewhere", ignore, group="g")
            await until(lambda: len(seen) == 3)
            nonlocal asleep
            asleep = False
            await until(lambda: len(seen) == 4)
            await other.drain()
            await bus.drain()
            return (await running).late

    late, _ = run(scenario())

    (first, _), *others = seen
    assert seen[0] == (first, True)
    assert sorted(others) == [(first, False), (first + 1, True), (first + 1, True)]
    assert late == 1


def test_a_call_that_a_middleware_held_back_belongs_to_the_assignment_it_came_with() -> None:
    """Told the later fence, it would pass for the owner's."""
    seen: list[tuple[bytes, int, bool]] = []
    held = asyncio.Event()

    async def hold(message: Message, call_next: CallNext) -> None:
        while not held.is_set():
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                continue  # on purpose, as above
            if first_is_back:
                break
        await call_next(message)

    first_is_back = False

    async def scenario() -> None:
        nonlocal first_is_back
        async with open_bus("memory://?partitions=1") as bus:
            router = Router()

            @router.handler("orders", middleware=[hold])
            async def handle(message: Message, context: Context) -> None:
                seen.append((message.value or b"", context.fence, context.still_mine()))

            await bus.publish("orders", b"1")
            running = asyncio.create_task(bus.run(router, group="g", drain_timeout=1.0))
            await pass_time(1)
            other = await bus.subscribe("elsewhere", ignore, group="g")
            await pass_time(3)
            first_is_back = True
            await until(lambda: len(seen) == 2)
            await other.drain()
            await bus.drain()
            await running

    run(scenario())

    first = min(fence for _, fence, _ in seen)
    assert sorted(seen, key=lambda each: each[1]) == [(b"1", first, False), (b"1", first + 1, True)]


@pytest.mark.parametrize("given", [-1.0, float("inf"), float("nan")])
def test_a_drain_that_is_no_time_is_refused(given: float) -> None:
    """Before anything is consumed."""
    with pytest.raises(SettingsError, match="give a number of seconds from 0"):
        RunOptions("g", given).drain_seconds(None)


def test_a_drain_that_outlasts_the_rebalance_timeout_is_refused_at_the_start() -> None:
    """The broker would give the partitions away in the middle of it; the text says what to do."""

    async def handle(value: bytes) -> None:
        raise AssertionError("consumed")

    async def scenario() -> None:
        async with EventBus(FaultyBackend()) as bus:
            router = Router()
            router.handler("orders")(handle)
            await bus.publish("orders", b"1")
            with pytest.raises(
                SettingsError, match=r"drain_timeout=60: the broker waits 60 s .* give 48 s or"
            ):
                await bus.run(router, group="g", drain_timeout=60.0)

    run(scenario())


@pytest.mark.parametrize(("rebalance_timeout", "seconds"), [(60.0, 30.0), (10.0, 5.0), (None, 30.0)])
def test_a_drain_that_nobody_chose_fits_the_broker(rebalance_timeout: float | None, seconds: float) -> None:
    """30 s, or half of what the broker waits."""
    assert RunOptions("g").drain_seconds(rebalance_timeout) == seconds
    assert RunOptions("g", 8.0).drain_seconds(10.0) == 8.0
