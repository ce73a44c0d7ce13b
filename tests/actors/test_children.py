"""One process: what it is handed and answers, how it ends, and what it does not die of."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from tests.actors import crunching

from partita.actors.children import Child, Errand, cores
from partita.core.frames import Kind, parcel

DEADLINE = 60.0


class Parent:
    """Remembers what a process told."""

    def __init__(self) -> None:
        self.is_ready, self.is_lost = asyncio.Event(), asyncio.Event()
        self.reports = list[int]()

    def ready(self, child: Child) -> None:
        """It is ready."""
        self.is_ready.set()

    def answered(self, errand: Errand, kind: int, text: bytes) -> None:
        """A message has been handled."""
        errand.future.set_result((kind, text))

    def spent(self, child: Child, seconds: float, messages: int) -> None:
        """Answers have come together."""
        self.reports.append(messages)

    def lost(self, child: Child) -> None:
        """It is gone."""
        self.is_lost.set()


def errand(value: bytes | None) -> Errand:
    """One message."""
    return Errand(parcel([value]), asyncio.get_running_loop().create_future())


@asynccontextmanager
async def started(
    function: Callable[..., object] = crunching.crunch, *, results: bool = True
) -> AsyncIterator[tuple[Child, Parent]]:
    """A process that is ready, and ended after the block."""
    parent = Parent()
    child = Child(parent)
    await child.start({"module": function.__module__, "name": function.__qualname__, "results": results})
    try:
        async with asyncio.timeout(DEADLINE):
            await parent.is_ready.wait()
        yield child, parent
    finally:
        if not parent.is_lost.is_set():
            child.end()
            await child.ended(DEADLINE)


def test_messages_are_handled_in_order_and_answered_together() -> None:
    """A hundred quick ones come back in a few reports; what was not asked for is not sent."""

    async def scenario() -> None:
        async with started() as (child, parent), started(results=False) as (other, _):
            errands, silent = [errand(b"%d" % number) for number in range(200)], errand(b"1")
            child.hand(errands)
            other.hand([silent])
            answers = [await each.future for each in errands]
            assert answers == [(Kind.RESULT, b"%d %d" % (child.pid, number)) for number in range(200)]
            assert sum(parent.reports) == 200
            assert len(parent.reports) < 50
            assert await silent.future == (Kind.DONE, b"")

    asyncio.run(scenario())


def test_a_quick_message_is_answered_although_the_next_one_takes_long() -> None:
    """And the board says which one that is."""

    async def scenario() -> None:
        async with started() as (child, _):
            assert child.busy_with() == (None, 0.0)
            quick, slow = [errand(None) for _ in range(3)], errand(b"sleep 60")
            child.hand([*quick, slow])
            async with asyncio.timeout(DEADLINE):
                await asyncio.gather(*[each.future for each in quick])
                while child.busy_with()[1] < 0.01:
                    await asyncio.sleep(0.001)
            assert child.busy_with()[0] is slow
            assert repr(child) == "<Child ready: 1 in hand>"

    asyncio.run(scenario())


def test_a_stop_of_the_whole_terminal_or_service_is_not_for_a_process() -> None:
    """It is ended by the process that handed it its messages, when that has drained."""

    async def scenario() -> None:
        async with started() as (child, _):
            for number in (signal.SIGINT, signal.SIGTERM):
                os.kill(child.pid, number)
            after = errand(b"after")
            child.hand([after])
            assert await after.future == (Kind.RESULT, b"%d after" % child.pid)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"exit 3", "ended with exit code 3"),
        (b"crash", "was killed by SIGSEGV"),
        (b"signal 40", "was killed by signal 40"),
    ],
)
def test_how_a_process_died_is_told_and_of_what(value: bytes, told: str) -> None:
    """The message that it was at is the culprit."""

    async def scenario() -> None:
        async with started() as (child, parent):
            errands = [errand(b"1"), errand(value), errand(b"2")]
            child.hand(errands)
            async with asyncio.timeout(DEADLINE):
                await parent.is_lost.wait()
            assert await child.ended(DEADLINE) == told
            assert child.culprit is errands[1]
            child.kill()

    asyncio.run(scenario())


def test_what_does_not_end_in_time_is_killed() -> None:
    """Also without anybody asking for it."""

    async def scenario() -> None:
        async with started() as (child, _):
            child.hand([errand(b"sleep 60")])
            assert await child.ended(0.01) == "was killed by SIGKILL"

    asyncio.run(scenario())


def test_a_process_that_cannot_be_had_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's own error."""

    async def scenario() -> None:
        child = Child(Parent())
        assert repr(child) == "<Child starting: 0 in hand>"
        with pytest.raises(FileNotFoundError, match="no/python"):
            await child.start({})

    monkeypatch.setattr(sys, "executable", "no/python")
    asyncio.run(scenario())


def test_counts_the_cores_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or all there are, where the system does not say."""
    allowed = cores()

    monkeypatch.delattr(os, "sched_getaffinity")

    assert 1 <= allowed <= cores()
