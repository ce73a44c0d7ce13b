"""Between the loop and a handler stand at most three frames of ours, so that a traceback is the user's."""

import asyncio
import inspect
from pathlib import Path

import pytest
from tests.simulated import run

import partita
from partita import Context, Retry, RouteOptions, Router, open_bus

OURS = str(Path(partita.__file__).parent)


def frames_above() -> list[str]:
    """The functions of the package that are on the caller's stack."""
    return [each.function for each in inspect.stack() if each.filename.startswith(OURS)]


def frames_of(options: RouteOptions) -> list[list[str]]:
    """What each attempt at one message sees above it, the first failing."""
    router, seen = Router(retry=Retry(attempts=3, backoff=0.1)), list[list[str]]()

    @router.handler("orders", **options)
    async def handle(value: bytes, context: Context) -> bytes:
        seen.append(frames_above())
        await asyncio.sleep(0)
        seen.append(frames_above())
        if context.attempt == 1:
            raise ValueError("no")
        return value

    async def scenario() -> None:
        async with open_bus() as bus:
            await bus.publish("orders", b"1")
            assert (await bus.run(router, burst=True)).handled == 1

    run(scenario())
    return seen


@pytest.mark.parametrize("options", [RouteOptions(), RouteOptions(to="bills")], ids=["plain", "to"])
def test_at_most_three_frames_of_ours_stand_above_a_handler(options: RouteOptions) -> None:
    """At its beginning and after a wait, on the first attempt and on a retry."""
    seen = frames_of(options)

    assert len(seen) == 4
    assert all(0 < len(each) <= 3 for each in seen), seen


def test_nothing_stands_between_the_pump_and_a_plain_handler() -> None:
    """The hot path is one loop of ours and the task that runs it."""
    assert all(each[0] == "work" for each in frames_of(RouteOptions()))


def test_a_plain_function_is_called_from_its_thread() -> None:
    """All that is there of ours is the loop that hands calls to it."""
    router, seen = Router(), list[list[str]]()

    @router.handler("orders")
    def handle(value: bytes) -> None:
        seen.append(frames_above())

    async def scenario() -> None:
        async with open_bus() as bus:
            await bus.publish("orders", b"1")
            await bus.run(router, burst=True)

    asyncio.run(scenario())

    assert seen == [["_serve"]]
