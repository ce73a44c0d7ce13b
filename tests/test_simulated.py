"""The simulated loop: virtual time, first in first out, and nothing that hangs."""

import asyncio

import pytest
from tests.simulated import Deadlock, Livelock, pass_time, run


def test_an_hour_of_waiting_is_an_hour_of_virtual_time() -> None:
    """To wait is to move the clock."""
    result, seconds = run(pass_time(3600))

    assert (result, seconds) == (None, 3600.0)


def test_callbacks_run_in_the_order_they_were_asked_for() -> None:
    """asyncio documents first in, first out, so the simulation keeps it."""
    seen: list[int] = []

    async def scenario() -> None:
        for number in range(100):
            asyncio.get_running_loop().call_soon(seen.append, number)
        await asyncio.sleep(0)

    run(scenario())

    assert list(range(100)) == seen


def test_waiting_for_what_never_comes_is_a_deadlock() -> None:
    """Nothing ready and no timer is raised instead of hanging."""

    async def scenario() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock):
        run(scenario())


def test_turning_without_end_is_a_livelock() -> None:
    """Time that stands still is raised instead of hanging."""

    def turn() -> None:
        asyncio.get_running_loop().call_soon(turn)

    async def scenario() -> None:
        turn()
        await pass_time(1)

    with pytest.raises(Livelock, match="turns at 0 s"):
        run(scenario())
