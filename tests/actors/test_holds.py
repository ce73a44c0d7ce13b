"""Calls that wait before their handler, and how a drain ends the wait."""

import asyncio

import pytest
from tests.actors.scripted import AT, OTHER
from tests.simulated import pass_time, run

from partita.actors.holds import Holds, Postponed


def held(holds: Holds, reason: str = "rate limit") -> "tuple[asyncio.Task[None], asyncio.Future[None]]":
    """A call that waits on a partition, and what lets it go."""
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    return asyncio.get_running_loop().create_task(holds.wait(AT, ready, reason)), ready


def test_a_call_waits_until_it_may_go() -> None:
    """And tells what for, as long as it does."""

    async def scenario() -> None:
        holds = Holds()
        (first, ready), (second, later) = held(holds, "first"), held(holds, "second")
        await pass_time(1)
        assert (holds.reason(AT), holds.reason(OTHER)) == ("first", None)
        assert not first.done()
        assert repr(holds) == "<Holds 2 calls>"

        ready.set_result(None)
        await first
        assert holds.reason(AT) == "second"
        later.set_result(None)
        await second
        assert holds.reason(AT) is None

    run(scenario())


def test_closing_a_partition_ends_its_waits_and_no_others() -> None:
    """The messages stay unfinished."""

    async def scenario() -> None:
        holds = Holds()
        (first, ready), (second, _) = held(holds), held(holds)
        await pass_time(1)
        holds.close(OTHER)
        await pass_time(1)
        assert not first.done()

        ready.set_result(None)  # it was let go just before its partition went
        holds.close(AT)
        for each in (first, second):
            with pytest.raises(Postponed):
                await each

    run(scenario())


def test_no_wait_begins_on_a_closed_partition() -> None:
    """Until the partition is ours again."""

    async def scenario() -> None:
        holds = Holds()
        holds.close(AT)
        refused, _ = held(holds)
        with pytest.raises(Postponed):
            await refused

        holds.open(AT)
        taken, ready = held(holds)
        await pass_time(1)
        ready.set_result(None)
        await taken

    run(scenario())


def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    """The task is the pump's to cancel."""

    async def scenario() -> None:
        holds = Holds()
        waiting, _ = held(holds)
        await pass_time(1)

        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert holds.reason(AT) is None
        holds.close(AT)

    run(scenario())


def test_postponed_passes_by_those_who_forgive_errors() -> None:
    """Otherwise a message that nobody has handled would count as handled."""
    assert issubclass(Postponed, BaseException)
    assert not issubclass(Postponed, Exception)
