"""Simulated processes: they stand still, go on, and die where they stand."""

import asyncio

from tests.simulated import pass_time

from partita.testing.process import Process, ProcessLoop


def told(scenario: str) -> list[str]:
    """What two processes do in a few seconds of which one is frozen, or dead, from 2.5 s to 5.5 s."""
    seen: list[str] = []

    async def work(name: str) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(3.0, seen.append, f"{name} timer")
        try:
            for second in range(1, 5):
                await pass_time(1.0)
                seen.append(f"{name} {second} at {loop.time():.1f}")
        finally:
            seen.append(f"{name} ends")

    async def world() -> None:
        one, other = Process("one"), Process("other")
        assert repr(one) == "<Process one running>"
        tasks = one.spawn(work("one")), other.spawn(work("other"))
        await pass_time(2.5)
        one.kill() if scenario == "killed" else one.freeze()
        assert repr(one) == f"<Process one {'dead' if scenario == 'killed' else 'frozen'}>"
        one.call(lambda: seen.append("one is called"))
        other.call(lambda: seen.append("other is called"))
        await pass_time(3.0)
        one.thaw()
        await pass_time(3.0)
        seen.append("over")
        for task in tasks:
            task.cancel()
        one.bury()

    ProcessLoop(1).run(world())
    return seen


def test_a_frozen_process_does_nothing_and_goes_on_where_it_stood() -> None:
    """Its timers that were due meanwhile fire when it goes on, and calls to it wait."""
    seen = told("frozen")

    mine = [each for each in seen if each.startswith("one")]
    assert mine == [
        *("one 1 at 1.0", "one 2 at 2.0", "one is called", "one timer"),
        *("one 3 at 5.5", "one 4 at 6.5", "one ends"),
    ]
    assert "other 4 at 4.0" in seen


def test_a_dead_process_does_nothing_any_more() -> None:
    """It does not go on when others do, and its timers are gone."""
    seen = told("killed")

    alive = seen[: seen.index("over")]
    assert [each for each in alive if each.startswith("one")] == ["one 1 at 1.0", "one 2 at 2.0"]
    assert "other 4 at 4.0" in seen
