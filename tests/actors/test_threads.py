"""The pool of threads: what is handed over together, runs beside each other, and cannot be stopped."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from contextvars import ContextVar

import anyio.from_thread
import pytest

from partita.actors.threads import ThreadPool

DEADLINE = 10.0
tenant = ContextVar("tenant", default="nobody")


class CountingLoop(asyncio.SelectorEventLoop):
    """An event loop that counts how often a thread woke it."""

    wakes = 0

    def call_soon_threadsafe(self, *args: object, **kwargs: object) -> asyncio.Handle:
        """Wake the loop."""
        self.wakes += 1
        return super().call_soon_threadsafe(*args, **kwargs)  # type: ignore[arg-type]


def begin(pool: ThreadPool, function: Callable[..., object], *args: object) -> "asyncio.Task[object]":
    """Call *function* in a task."""
    return asyncio.ensure_future(pool.call(function, args, {}))


async def until(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds."""
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.001)


class Hung:
    """A function that blocks until it is let go."""

    def __init__(self) -> None:
        self.started, self.go = threading.Event(), threading.Event()

    def __call__(self) -> str:
        """Block."""
        self.started.set()
        assert self.go.wait(DEADLINE)
        return "late"

    async def given_up(self, pool: ThreadPool) -> None:
        """Be called, and be given up in mid-call."""
        task = begin(pool, self)
        await until(self.started.is_set)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


def with_pool(size: int, scenario: Callable[[ThreadPool], Coroutine[object, object, None]]) -> int:
    """Run *scenario* with a pool that is closed at the end; returns how often a thread woke the loop."""

    async def main() -> None:
        pool = ThreadPool("charge", size)
        await pool.start()
        try:
            await scenario(pool)
        finally:
            await pool.close()
        assert pool.threads == 0

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        runner.run(main())
        loop = runner.get_loop()
        assert isinstance(loop, CountingLoop)
        return loop.wakes


def test_calls_that_wait_go_over_and_come_back_together() -> None:
    """A thousand quick calls wake the loop a few times, and not once each."""

    async def scenario(pool: ThreadPool) -> None:
        numbers = range(1000)
        results = await asyncio.gather(*[begin(pool, str, number) for number in numbers])
        assert results == [str(number) for number in numbers]

    assert with_pool(64, scenario) < 250


def test_calls_that_block_run_beside_each_other() -> None:
    """As many as the pool's size, each in a thread of its own, and none in the loop's."""
    together = threading.Barrier(8)

    def block() -> int:
        together.wait(DEADLINE)
        return threading.get_ident()

    async def scenario(pool: ThreadPool) -> None:
        threads = await asyncio.gather(*[begin(pool, block) for _ in range(8)])
        assert len({*threads, threading.get_ident()}) == 9
        assert pool.threads == 8

    with_pool(8, scenario)


def test_a_quick_call_is_not_held_up_by_a_blocking_one_behind_it() -> None:
    """Its result goes back although its thread has taken a call that does not end."""
    hung = Hung()

    async def scenario(pool: ThreadPool) -> None:
        quick, slow = [begin(pool, str, number) for number in range(50)], begin(pool, hung)
        more = [begin(pool, str, number) for number in range(50)]
        await asyncio.wait_for(asyncio.gather(*quick, *more), DEADLINE)
        hung.go.set()
        assert await slow == "late"

    with_pool(2, scenario)


def test_more_calls_than_threads_wait_for_one() -> None:
    """No more than the size run at once."""
    hung = Hung()

    async def scenario(pool: ThreadPool) -> None:
        first = begin(pool, hung)
        await until(hung.started.is_set)
        second = begin(pool, str, 2)
        await asyncio.sleep(0.01)
        assert (pool.threads, second.done()) == (1, False)
        hung.go.set()
        assert [await first, await second] == ["late", "2"]

    with_pool(1, scenario)


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), asyncio.CancelledError()])
def test_what_a_call_raises_is_raised_to_its_caller(error: BaseException) -> None:
    """The very object, and the thread goes on."""

    def fail() -> None:
        raise error

    async def scenario(pool: ThreadPool) -> None:
        with pytest.raises(type(error)) as caught:
            await pool.call(fail, (), {})
        assert caught.value is error or isinstance(error, asyncio.CancelledError)
        assert await pool.call(str, (5,), {}) == "5"
        assert (pool.leaked, pool.threads) == (0, 1)

    with_pool(1, scenario)


def test_a_stop_iteration_does_not_end_the_coroutine_that_waits() -> None:
    """It would look like a result; the caller gets an error that tells of it."""

    async def scenario(pool: ThreadPool) -> None:
        with pytest.raises(RuntimeError, match="raised StopIteration") as caught:
            await pool.call(next, (iter(()),), {})
        assert isinstance(caught.value.__cause__, StopIteration)

    with_pool(1, scenario)


def test_a_call_sees_its_callers_context_and_leaves_nothing_in_it() -> None:
    """Each call has a copy of its own; keywords are handed on, and `from_thread` finds the loop."""

    async def greeting(name: str) -> str:
        return f"{name}, {tenant.get()}"

    def handle(name: str, *, greet: bool) -> str:
        seen = tenant.get()
        tenant.set("left behind")
        return f"{seen}: {anyio.from_thread.run(greeting, name)}" if greet else seen

    async def scenario(pool: ThreadPool) -> None:
        tenant.set("anna")
        assert await pool.call(handle, ("hello",), {"greet": True}) == "anna: hello, left behind"
        assert await pool.call(handle, ("hello",), {"greet": False}) == "anna"
        assert tenant.get() == "anna"

    with_pool(1, scenario)


def test_a_call_that_is_cancelled_before_a_thread_took_it_never_runs() -> None:
    """Nothing has begun, so nothing is leaked."""
    hung, calls = Hung(), list[int]()

    async def scenario(pool: ThreadPool) -> None:
        first = begin(pool, hung)
        await until(hung.started.is_set)
        second, third = begin(pool, calls.append, 2), begin(pool, calls.append, 3)
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait([second])
        assert pool.leaked == 0
        hung.go.set()
        await asyncio.gather(first, third)

    with_pool(1, scenario)

    assert calls == [3]


def test_a_call_that_cannot_be_stopped_is_leaked_and_another_thread_takes_its_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its late result goes nowhere, and then it is leaked no more."""
    hung = Hung()

    async def scenario(pool: ThreadPool) -> None:
        await hung.given_up(pool)
        assert (pool.leaked, pool.stall.reason) == (1, None)
        together = threading.Barrier(2)
        await asyncio.gather(*[begin(pool, together.wait, DEADLINE) for _ in range(2)])
        assert pool.threads == 3
        hung.go.set()
        await until(lambda: pool.leaked == 0)

    with caplog.at_level(logging.WARNING, "partita.pool"):
        with_pool(2, scenario)

    assert [each.getMessage() for each in caplog.records] == [
        "charge was given up, but its thread cannot be stopped: 1 such"
    ]


def test_a_pool_of_leaked_calls_starts_none_until_enough_have_returned(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Threads are bounded, and the stall says why; it ends when fewer are leaked than may run."""
    first, second = Hung(), Hung()

    async def scenario(pool: ThreadPool) -> None:
        await first.given_up(pool)
        assert pool.stall.reason == "1 calls of charge that were given up still run"
        await second.given_up(pool)
        assert (pool.leaked, pool.threads) == (2, 2)
        first.go.set()
        await until(lambda: pool.leaked == 1)
        assert pool.stall.reason is not None
        second.go.set()
        await until(lambda: pool.leaked == 0)
        assert pool.stall.reason is None

    with_pool(1, scenario)

    assert "no more calls of charge are started until one returns" in caplog.text


def test_a_hung_call_holds_up_neither_the_close_nor_the_loops_end() -> None:
    """When it returns at last there is nobody to tell, and its thread ends."""
    hung, before = Hung(), threading.active_count()

    async def scenario(pool: ThreadPool) -> None:
        await hung.given_up(pool)
        await pool.call(str, (1,), {})
        assert repr(pool) == "<ThreadPool of charge: 2 threads, 1 leaked>"

    with_pool(3, scenario)
    hung.go.set()

    deadline = time.monotonic() + DEADLINE
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.005)
    assert threading.active_count() <= before


def test_a_pool_without_calls_has_no_threads() -> None:
    """They come with the calls; to close it is nothing."""

    async def scenario(pool: ThreadPool) -> None:
        assert pool.threads == 0

    with_pool(4, scenario)


def test_a_loop_that_ends_without_a_close_takes_the_idle_threads_with_it() -> None:
    """Or the interpreter would wait for them for ever."""
    before = threading.active_count()

    async def scenario() -> None:
        pool = ThreadPool("charge", 2)
        await pool.start()
        assert await pool.call(str, (1,), {}) == "1"

    asyncio.run(scenario())

    deadline = time.monotonic() + DEADLINE
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.005)
    assert threading.active_count() <= before


def test_calls_that_no_thread_can_be_had_for_fail_with_the_systems_error() -> None:
    """They are not left waiting; with one thread at work the others wait for that one."""
    hung = Hung()

    async def scenario(pool: ThreadPool) -> None:
        threading.stack_size(1 << 46)
        try:
            refused = await asyncio.gather(
                *[begin(pool, str, number) for number in range(3)], return_exceptions=True
            )
        finally:
            threading.stack_size(0)
        assert {type(each) for each in refused} == {RuntimeError}
        first = begin(pool, hung)
        await until(hung.started.is_set)
        threading.stack_size(1 << 46)
        try:
            second = begin(pool, str, 2)
            await asyncio.sleep(0.01)
        finally:
            threading.stack_size(0)
        assert not second.done()
        hung.go.set()
        assert [await first, await second] == ["late", "2"]

    with_pool(3, scenario)
