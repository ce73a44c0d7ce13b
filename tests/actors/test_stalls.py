"""What happens to a message whose pool cannot start its call."""

import asyncio

import pytest
from tests.simulated import pass_time, run

from partita.actors.holds import Holds, Postponed
from partita.actors.stalls import Stall
from partita.core.ports import TopicPartition

AT = TopicPartition("orders", 0)


def test_calls_wait_until_the_stall_is_over() -> None:
    """All of them, and the partition says what for; one that begins again meanwhile is waited out too."""

    async def scenario() -> None:
        stall, holds = Stall(), Holds()
        assert repr(stall) == "<Stall none>"
        await pass_time(5.0)
        stall.begin("no thread")
        stall.begin("no thread at all")
        assert (stall.reason, stall.since) == ("no thread at all", 5.0)
        waiting = [asyncio.create_task(stall.wait(AT, holds)) for _ in range(2)]
        await pass_time(1.0)
        assert holds.reason(AT) == "no thread at all"
        stall.end()
        stall.begin("again")
        await pass_time(1.0)
        assert not any(each.done() for each in waiting)
        stall.end()
        await asyncio.gather(*waiting)
        assert holds.reason(AT) is None

    run(scenario())


def test_a_partition_that_goes_away_does_not_wait_for_the_end() -> None:
    """Its messages are postponed: none of them has begun."""

    async def scenario() -> None:
        stall, holds = Stall(), Holds()
        stall.begin("no thread")
        waiting = asyncio.create_task(stall.wait(AT, holds))
        await pass_time(0)
        holds.close(AT)
        with pytest.raises(Postponed):
            await waiting
        stall.end()

    run(scenario())
