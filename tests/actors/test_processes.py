"""The pool of processes: shares, failures of one message, deaths, deadlines, and a clean end."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine

import anyio
import pytest
from tests.actors import crunching

from partita import RouteError
from partita.actors.processes import ProcessPool
from partita.core.frames import parcel

DEADLINE = 60.0
GIVEN = {"module": crunching.__name__, "name": "crunch", "results": True}
Scenario = Callable[[ProcessPool], Coroutine[object, object, None]]


def call(pool: ProcessPool, value: bytes | None) -> "asyncio.Task[object]":
    """Have a message handled."""

    async def wait() -> object:
        return await pool.call(parcel([value]))

    return asyncio.ensure_future(wait())


async def until(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds."""
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.001)


def gone(pid: int) -> bool:
    """Whether there is no such process any more."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def with_pool(size: int, scenario: Scenario, timeout: float | None = None) -> None:
    """Run *scenario* with a pool that is started, and closed at the end with no process left."""

    async def main() -> None:
        pool = ProcessPool("crunch", "crunch (here:1)", size, GIVEN, timeout)
        pids = list[int]()
        try:
            await pool.start()
            async with asyncio.timeout(DEADLINE):
                await scenario(pool)
            pids = pool.pids
        finally:
            await pool.close()
        assert [pid for pid in pids if not gone(pid)] == []
        assert (pool.pids, repr(pool)) == ([], "<ProcessPool of crunch: 0 processes>")

    asyncio.run(main())


def test_calls_are_shared_by_the_processes_and_each_gets_its_own_result() -> None:
    """No more processes than may run at once, the second started when there is work for it."""

    async def scenario(pool: ProcessPool) -> None:
        assert len(pool.pids) == 1
        calls = [call(pool, b"%d" % number) for number in range(300)]
        results = [bytes(each).split() for each in await asyncio.gather(*calls) if isinstance(each, bytes)]
        assert [value for _, value in results] == [b"%d" % number for number in range(300)]
        while len(pool.pids) < min(2, pool.size):
            await asyncio.gather(*[call(pool, b"sleep 0.001") for _ in range(20)])
        assert len(pool.pids) <= 2

    with_pool(2, scenario)


def test_quick_and_slow_messages_mixed_are_all_answered_in_their_order() -> None:
    """Answers are held for a moment to go together: none is lost, and none takes another's place."""

    async def scenario(pool: ProcessPool) -> None:
        for start in range(0, 3000, 300):
            values = [b"sleep 0.003" if n % 40 == 0 else b"%d" % n for n in range(start, start + 300)]
            results = await asyncio.gather(*[call(pool, value) for value in values])
            assert [bytes(each).partition(b" ")[2] for each in results] == values  # type: ignore[call-overload]

    with_pool(2, scenario)


def test_a_message_that_fails_or_kills_its_process_fails_alone() -> None:
    """Those behind it are handled by the next process; a cancelled one is not handled at all."""

    async def scenario(pool: ProcessPool) -> None:
        (first,) = pool.pids
        values = [b"1", b"fail no", b"2", b"exit 3", b"3", None]
        calls = [call(pool, value) for value in values]
        await asyncio.sleep(0)
        cancelled = call(pool, b"sleep 60")
        await asyncio.sleep(0)
        cancelled.cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        (second,) = pool.pids
        assert results[0] == b"%d 1" % first
        assert (type(results[1]), str(results[1])) == (LookupError, "no")
        assert (type(results[3]), str(results[3])) == (
            anyio.BrokenWorkerProcess,
            "the process that handled the message ended with exit code 3",
        )
        assert results[2] in (b"%d 2" % first, b"%d 2" % second)
        assert results[4:] == [b"%d 3" % second, b"%d null" % second]

    with_pool(1, scenario)


def test_a_message_past_its_deadline_is_stopped_with_its_process() -> None:
    """The time runs from when it is begun, and others are looked after in turn."""

    async def scenario(pool: ProcessPool) -> None:
        (first,) = pool.pids
        waits = [call(pool, b"sleep 0.15") for _ in range(3)]
        assert all(bytes(each).startswith(b"%d " % first) for each in await asyncio.gather(*waits))  # type: ignore[call-overload]
        slow, behind = call(pool, b"sleep 60"), call(pool, b"behind")
        with pytest.raises(TimeoutError, match=r"not handled within 0.25 s, so its process was killed"):
            await slow
        result = await behind
        assert result == b"%d behind" % pool.pids[0]
        assert gone(first)
        with pytest.raises(anyio.BrokenWorkerProcess):
            await call(pool, b"exit 1")
        await call(pool, b"last")
        await until(lambda: not pool.deadlines)

    with_pool(1, scenario, timeout=0.25)


def test_a_call_that_nobody_waits_for_keeps_its_process_until_it_ends() -> None:
    """It cannot be taken back; what comes of it goes nowhere, be it a result or a death."""

    async def scenario(pool: ProcessPool) -> None:
        for dies in (False, True):
            given_up, never = call(pool, b"sleep 60" if dies else b"sleep 0.05"), call(pool, b"sleep 60")
            await asyncio.sleep(0.01)
            given_up.cancel()
            never.cancel()
            await asyncio.wait([given_up, never])
            if dies:
                os.kill(pool.pids[0], signal.SIGKILL)
            assert bytes(await call(pool, b"next")).endswith(b"next")  # type: ignore[call-overload]

    with_pool(1, scenario)


def test_a_process_that_is_killed_while_it_has_nothing_is_replaced() -> None:
    """No message has failed, and the next one has a process."""

    async def scenario(pool: ProcessPool) -> None:
        (first,) = pool.pids
        os.kill(first, signal.SIGKILL)
        await until(lambda: not pool.pids)
        result = await call(pool, b"1")
        assert result == b"%d 1" % pool.pids[0]
        assert first not in pool.pids

    with_pool(1, scenario)


def test_a_process_in_mid_message_is_killed_at_the_close() -> None:
    """A close is asked for when the time to finish is over."""
    pids = list[int]()

    async def scenario(pool: ProcessPool) -> None:
        pids.extend(pool.pids)
        given_up = call(pool, b"sleep 60")
        await asyncio.sleep(0.01)
        given_up.cancel()

    with_pool(1, scenario)

    assert all(map(gone, pids))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"module": "tests.actors.nowhere", "name": "crunch"}, "No module named 'tests.actors.nowhere'"),
        ({"module": crunching.__name__, "name": "grind"}, "has no attribute 'grind'"),
        ({"module": crunching.__name__, "name": "__doc__"}, "no function"),
        ({"module": "tests.actors.sleeping", "name": "crunch"}, "is not imported after 0.4 s"),
    ],
)
def test_a_handler_that_a_process_cannot_import_is_refused_at_the_start(
    given: dict[str, str], told: str
) -> None:
    """With function, file and line, and what was wrong over there."""

    async def scenario() -> None:
        pool = ProcessPool("crunch", "crunch (here:1)", 1, {**given, "results": True})
        seconds = 0.4 if "sleeping" in given["module"] else DEADLINE
        try:
            with pytest.raises(RouteError, match=rf"crunch \(here:1\): run='process': .*{told}"):
                await pool.start(seconds)
        finally:
            await pool.close()

    asyncio.run(scenario())


def test_a_system_without_processes_is_told_at_the_start_and_waited_for_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No message fails because of it: the stall says why none is started, and ends when it can be."""
    python = sys.executable

    async def scenario(pool: ProcessPool) -> None:
        monkeypatch.setattr(sys, "executable", "no/python")
        first = [call(pool, b"sleep 0.01") for _ in range(4)]
        await asyncio.gather(*first)
        assert pool.stall.reason is None
        with pytest.raises(anyio.BrokenWorkerProcess):
            await call(pool, b"exit 1")
        waiting = call(pool, b"1")
        await until(lambda: pool.stall.reason is not None)
        assert "no process for crunch can be started: [Errno 2]" in str(pool.stall.reason)
        monkeypatch.setattr(sys, "executable", python)
        assert bytes(await waiting).endswith(b" 1")  # type: ignore[call-overload]
        assert pool.stall.reason is None
        monkeypatch.setattr(sys, "executable", "no/python")
        with pytest.raises(anyio.BrokenWorkerProcess):
            await call(pool, b"exit 1")
        given_up = call(pool, b"2")
        await asyncio.sleep(0)
        given_up.cancel()
        await until(lambda: pool.stall.reason is not None)

    with_pool(2, scenario)
    with pytest.raises(FileNotFoundError):
        with_pool(1, scenario)

    assert "no process for crunch: [Errno 2]" in caplog.text
