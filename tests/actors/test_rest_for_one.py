"""Rest for one: what was started after a failed child builds on it and restarts with it, in order."""

import asyncio

from tests.actors.test_supervisor import Diary, supervisor_of
from tests.simulated import pass_time, run

from partita.core.restarts import Strategy


def test_those_after_a_failed_child_restart_with_it_in_order() -> None:
    """They stop in reverse before the wait, and start in order after it."""
    diary, supervisor = Diary(), supervisor_of(Strategy.REST_FOR_ONE)
    for name in "abc":
        supervisor.add(name, diary.child(name))

    async def scenario() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(supervisor.run())
            await pass_time(2)
            diary.end("b", ValueError("no"))
            await pass_time(2)
            diary.entries.append("now")
            supervisor.stop()

    run(scenario())

    assert diary.entries[3:7] == ["stop c", "start b at 3", "start c at 3", "now"]


def test_nothing_starts_before_what_it_builds_on() -> None:
    """
    The second child waits for its restart when the first fails too, with a longer wait: the second
    must not start between.
    """
    diary, supervisor = Diary(), supervisor_of(Strategy.REST_FOR_ONE)
    for name in "ab":
        supervisor.add(name, diary.child(name))

    async def scenario() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(supervisor.run())
            await pass_time(0.1)
            diary.end("a", ValueError("first"))
            await pass_time(1.9)
            diary.end("b", ValueError("second"))
            await pass_time(0.1)
            diary.end("a", ValueError("third"))
            await pass_time(10)
            diary.entries.append("now")
            supervisor.stop()

    run(scenario())

    starts = [each for each in diary.entries if each.startswith("start")]
    assert starts[-2:] == ["start a at 4.1", "start b at 4.1"]
    assert 3 == diary.starts("a") == diary.starts("b")


def test_two_that_fail_at_once_are_each_started_once() -> None:
    """Both restarts name the second child; it runs once."""
    diary, supervisor = Diary(), supervisor_of(Strategy.REST_FOR_ONE)
    for name in "abc":
        supervisor.add(name, diary.child(name))

    async def scenario() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(supervisor.run())
            await pass_time(2)
            diary.end("a", ValueError("no"))
            diary.end("b", ValueError("no"))
            await pass_time(10)
            supervisor.stop()

    run(scenario())

    starts = [each for each in diary.entries if each.startswith("start")][3:]
    assert starts == ["start a at 3", "start b at 3", "start c at 3"]
