"""The simulated loop: virtual time, first in first out, one seed one run, and nothing that hangs."""

import asyncio
import random
import threading

import pytest
from tests.simulated import pass_time, run

from partita.testing import SimLoop


def firing(seed: int | None) -> str:
    """In which order ten timers fire that are due at one instant."""
    fired: list[str] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        for name in "abcdefghij":
            loop.call_at(5.0, fired.append, name)
        loop.call_at(4.999_999, fired.append, "early ")
        loop.call_at(5.000_001, fired.append, " late")
        await pass_time(6)

    SimLoop(seed).run(scenario())
    return "".join(fired)


def test_an_hour_of_waiting_is_an_hour_of_virtual_time() -> None:
    """To wait is to move the clock."""
    result, seconds = run(pass_time(3600))

    assert (result, seconds) == (None, 3600.0)


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_callbacks_run_in_the_order_they_were_asked_for(seed: int | None) -> None:
    """asyncio documents first in, first out, so the simulation keeps it, whatever the seed."""
    seen: list[int] = []

    async def scenario() -> None:
        for number in range(100):
            asyncio.get_running_loop().call_soon(seen.append, number)
        await asyncio.sleep(0)

    SimLoop(seed).run(scenario())

    assert list(range(100)) == seen


def test_the_seed_decides_which_timer_of_one_instant_fires_first() -> None:
    """Ties are the world's to decide, times are not; without a seed there is one order."""
    orders = {firing(seed) for seed in range(50)}

    assert firing(None) == firing(None)
    assert firing(7) == firing(7)
    assert len(orders) > 40
    assert {(each[:6], "".join(sorted(each[6:16])), each[16:]) for each in orders} == {
        ("early ", "abcdefghij", " late")
    }


def test_one_seed_gives_one_run_of_the_random_module_too() -> None:
    """And the program's own random numbers go on afterwards as if nothing had been."""

    async def scenario() -> float:
        return random.random()

    random.seed(5)
    expected = random.random()
    random.seed(5)
    drawn = {SimLoop(3).run(scenario()) for _ in range(2)}

    assert len(drawn) == 1
    assert random.random() == expected


def test_what_a_thread_asks_for_is_done_and_takes_no_time() -> None:
    """It is called between two turns of the loop."""
    told: list[int] = []

    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        posted: list[asyncio.Handle] = []

        def ask() -> None:
            posted.extend(loop.call_soon_threadsafe(told.append, number) for number in (1, 2))

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        posted[1].cancel()
        loop.call_soon_threadsafe(told.append, 3)
        while len(told) < 2:
            await asyncio.sleep(0)
        return loop.time()

    assert SimLoop(1).run(scenario()) == 0.0
    assert sorted(told) == [1, 3]


def test_waiting_for_what_never_comes_is_a_deadlock() -> None:
    """Nothing ready and no timer is raised instead of hanging, and the seed is told."""

    async def scenario() -> None:
        await pass_time(2)
        await asyncio.get_running_loop().create_future()

    with pytest.raises(AssertionError, match="deadlock at 2 s: nothing is ready") as caught:
        SimLoop(11).run(scenario())

    assert caught.value.__notes__ == ["simulated with seed 11, until 2 s"]


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize("timer", [False, True])
def test_turning_without_end_is_a_livelock(seed: int | None, timer: bool) -> None:
    """Time that stands still is raised instead of hanging, timers without a delay included."""

    def turn() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(0, turn) if timer else loop.call_soon(turn)

    async def scenario() -> None:
        turn()
        await pass_time(1)

    with pytest.raises(AssertionError, match=r"livelock at .* turns and time stands still"):
        SimLoop(seed).run(scenario())
