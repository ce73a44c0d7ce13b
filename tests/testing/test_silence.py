"""The judge of silence: what it finds, and what it leaves alone."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest
from tests.simulated import pass_time, run

from partita import Part
from partita.core.ports import Commit, TopicPartition
from partita.testing.silence import SilenceJudge
from partita.testing.world import World

AT = TopicPartition("orders", 0)


def world(end: int, *members: SimpleNamespace) -> SimpleNamespace:
    """One group that has committed offset 3 of a partition with *end* messages."""
    group = SimpleNamespace(committed={AT: Commit(3)})
    broker = SimpleNamespace(group=lambda _: group, topics={"orders": 1}, log=lambda _: range(end))
    oracle = SimpleNamespace(violations=list[str]())
    loop = asyncio.get_running_loop()
    return SimpleNamespace(
        group=group, broker=broker, oracle=oracle, loop=loop, groups=["g"], members=list(members)
    )


def member(*, healthy: bool = True, runs: bool = True, down: bool = False) -> SimpleNamespace:
    """A process and what it says of itself."""
    health = {"consumer g": Part(healthy)}
    return SimpleNamespace(runs=runs, wire=SimpleNamespace(down=down), health=health)


async def judged(found: SimpleNamespace, seconds: float = 60.0) -> list[str]:
    """What the judge says of a world that stands still."""
    task = asyncio.ensure_future(SilenceJudge(cast("World", found)).run())
    await pass_time(seconds)
    task.cancel()
    return list(found.oracle.violations)


def test_a_group_that_stands_still_with_green_health_is_found() -> None:
    """Once for each half minute that it lasts."""

    async def scenario() -> list[str]:
        return await judged(world(9, member(), member()))

    assert run(scenario())[0] == [
        "g: orders/0 stood still with 6 messages to handle, and all were green, for 31 s"
    ]


@pytest.mark.parametrize(
    ("end", "who"),
    [
        (3, member()),
        (9, member(healthy=False)),
        (9, member(runs=False)),
        (9, member(down=True)),
    ],
)
def test_what_is_done_red_or_cannot_work_is_left_alone(end: int, who: SimpleNamespace) -> None:
    """Nothing to read, a process that says what is wrong, one that is frozen, one that is cut off."""

    async def scenario() -> list[str]:
        return await judged(world(end, member(), who))

    assert run(scenario())[0] == []


def test_one_that_moves_is_left_alone() -> None:
    """However slowly, also when only what is finished above the offset grows."""

    async def scenario() -> list[str]:
        found = world(9, member())
        task = asyncio.ensure_future(judged(found, 100.0))
        for number in range(5):
            await pass_time(20)
            found.group.committed[AT] = Commit(3, "x" * (number + 1))
        return await task

    assert run(scenario())[0] == []
