"""The thread that names what keeps an event loop from turning, on real loops and real threads."""

import asyncio
import functools
import hashlib
import inspect
import logging
import selectors
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import FrameType

import attrs
import pytest
import uvloop

from partita import SettingsError
from partita.actors.places import OURS, STANDARD, Place, code_of, place_of, runner_of
from partita.actors.watchdog import Watchdog

HERE = Path(__file__).name
DEADLINE = 20.0
Handler = Callable[[], Awaitable[None]]


class Told(logging.Handler):
    """What the watchdog has logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.blocked = threading.Event()
        self.recovered = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line, and wake who waits for it."""
        self.lines.append(record.getMessage())
        (self.recovered if "turns again" in self.lines[-1] else self.blocked).set()


@pytest.fixture
def told() -> Iterator[Told]:
    """The lines of one test."""
    logger, handler = logging.getLogger("partita.watchdog"), Told()
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@attrs.define
class Blocking:
    """Handlers that block until the watchdog has told so."""

    told: Told
    line: int = 0

    async def by_sleeping(self) -> None:
        """A sleep that was meant to be awaited."""
        until = time.monotonic() + DEADLINE
        while not self.told.blocked.is_set() and time.monotonic() < until:
            self.line = here() + 1
            time.sleep(0.05)  # noqa: ASYNC251

    async def by_waiting(self) -> None:
        """In the standard library, which is not the user's own code."""
        self.line = here() + 1
        assert self.told.blocked.wait(DEADLINE)

    async def by_computing(self) -> None:
        """One call after the other into C."""
        until = time.monotonic() + DEADLINE
        while not self.told.blocked.is_set() and time.monotonic() < until:
            self.line = here() + 1
            hashlib.pbkdf2_hmac("sha256", b"1", b"2", 20_000)

    async def by_spinning(self) -> None:
        """In Python alone; several lines, so any of them."""
        self.line = 0
        until = time.monotonic() + DEADLINE
        turns = 0
        while not self.told.blocked.is_set() and time.monotonic() < until:
            turns += 1

    async def by_holding_the_interpreter(self) -> None:
        """One call in which no thread can run: it is seen when it ends."""
        self.line = here() + 1
        sum(range(40_000_000))


def here() -> int:
    """The caller's line."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


async def watched(handler: Handler, told: Told) -> None:
    """Run *handler* under a watchdog, and wait for what it tells of the end."""
    watchdog = Watchdog(threshold=0.1, interval=0.02)
    watchdog.know(handler, "charge")
    watchdog.start()
    watchdog.start()
    await asyncio.sleep(0)
    await handler()
    assert await asyncio.to_thread(told.recovered.wait, DEADLINE)
    watchdog.stop()


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize(
    "how", ["by_sleeping", "by_waiting", "by_computing", "by_spinning", "by_holding_the_interpreter"]
)
def test_names_the_line_that_blocks_and_its_handler(
    how: str, loop: Callable[[], asyncio.AbstractEventLoop], told: Told
) -> None:
    """Once when it is seen, and once when it is over."""
    blocking = Blocking(told)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(watched(getattr(blocking, how), told))

    first, last = told.lines
    line = f"{HERE}:{blocking.line} in " if blocking.line else f"{HERE}:"
    assert first.startswith("the event loop has not turned for ")
    assert last.startswith("the event loop turns again after ")
    for each in (first, last):
        assert "handler charge, at " in each
        assert line in each
        assert f"in Blocking.{how}" in each


def test_tells_each_time_anew(told: Told) -> None:
    """Two incidents are four lines."""
    blocking = Blocking(told)

    async def scenario() -> None:
        watchdog = Watchdog(threshold=0.1, interval=0.02)
        watchdog.start()
        for _ in range(2):
            told.blocked.clear()
            told.recovered.clear()
            await blocking.by_waiting()
            assert await asyncio.to_thread(told.recovered.wait, DEADLINE)
        watchdog.stop()

    asyncio.run(scenario())

    assert len(told.lines) == 4
    assert all("no handler, at " in each for each in told.lines)


def test_a_slow_await_is_not_told(told: Told) -> None:
    """The loop turns all the while."""

    async def handler() -> None:
        for _ in range(10):
            await asyncio.sleep(0.04)

    async def scenario() -> None:
        watchdog = Watchdog(threshold=5.0, interval=0.01)
        watchdog.start()
        await handler()
        watchdog.stop()

    asyncio.run(scenario())

    assert told.lines == []


class HeldUp(selectors.DefaultSelector):
    """A selector that answers late, as one does whose process was stopped meanwhile."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait longer than it was asked to, where no news wakes it."""
        threading.Event().wait(0.05)
        return super().select(timeout)


def test_a_loop_that_waits_for_the_system_is_not_told(told: Told) -> None:
    """Its process is short of time, or was stopped; no line of code is to blame."""

    async def scenario() -> None:
        watchdog = Watchdog(threshold=0.01, interval=0.005)
        watchdog.start()
        for _ in range(5):
            await asyncio.sleep(0.04)
        watchdog.stop()

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(HeldUp())) as runner:
        runner.run(scenario())

    assert told.lines == []


def test_a_watchdog_ends_with_its_loop() -> None:
    """Nobody stopped it, and there is nothing left to watch."""

    async def start() -> Watchdog:
        watchdog = Watchdog(interval=0.01)
        watchdog.start()
        return watchdog

    before = set(threading.enumerate())
    watchdog = asyncio.run(start())
    for thread in set(threading.enumerate()) - before:
        thread.join(DEADLINE)

    assert not watchdog.running
    assert repr(watchdog) == "<Watchdog stopped>"


def test_stops_without_leaving_a_thread() -> None:
    """Stopped twice, or never started, nothing happens; it may be started again."""
    before = set(threading.enumerate())

    async def scenario() -> None:
        watchdog = Watchdog()
        watchdog.stop()
        for _ in range(2):
            watchdog.start()
            assert watchdog.running
            assert repr(watchdog) == "<Watchdog running>"
            (added,) = set(threading.enumerate()) - before
            assert added.daemon
            watchdog.stop()
            watchdog.stop()
            assert set(threading.enumerate()) == before

    asyncio.run(scenario())


@pytest.mark.parametrize(("threshold", "interval"), [(0.0, 0.1), (1.0, 0.0)])
def test_refuses_times_that_are_none(threshold: float, interval: float) -> None:
    """A watchdog that never looks would be taken for one that sees nothing."""
    with pytest.raises(SettingsError, match="a watchdog's"):
        Watchdog(threshold, interval)


def decorated(function: Handler) -> Handler:
    """A decorator as it should be."""

    @functools.wraps(function)
    async def wrapper() -> None:
        await function()

    return wrapper


def hidden(function: Handler) -> Handler:
    """A decorator that hides what it decorates."""

    async def wrapper() -> None:
        await function()

    return wrapper


async def plain() -> None:
    """A handler."""


class Callable_:
    """An object that is a handler."""

    async def __call__(self) -> None:
        """Handle."""


def test_knows_a_handler_behind_decorators_partials_and_objects() -> None:
    """What is not written in Python has no line to tell."""
    assert code_of(decorated(functools.partial(plain))) is plain.__code__
    assert code_of(functools.partial(plain)) is plain.__code__
    assert code_of(Callable_()) is Callable_.__call__.__code__
    assert code_of(max) is None
    assert code_of(7) is None


def test_handlers_that_share_one_code_are_told_together(told: Told) -> None:
    """It cannot be known which of them it is."""
    blocking = Blocking(told)
    first, second = hidden(blocking.by_waiting), hidden(plain)

    async def scenario() -> None:
        watchdog = Watchdog(threshold=0.1, interval=0.02)
        for function, name in ((first, "charge"), (second, "refund"), (max, "max")):
            watchdog.know(function, name)
        watchdog.start()
        await first()
        watchdog.stop()

    asyncio.run(scenario())

    assert "handler charge or refund, at " in told.lines[0]


def function_in(file: str, code: str) -> Callable[..., object]:
    """The function `call` of a file that need not be there."""
    names: dict[str, Callable[..., object]] = {}
    exec(compile(code, file, "exec"), names)
    return names["call"]


KEEP = "def call(seen, function, *rest):\n    seen.append(function(*rest))\n"
PASS_ON = "def call(function, *rest):\n    return function(*rest)\n"


def look(runner: FrameType | None) -> Place | None:
    """Where the caller is."""
    frame = inspect.currentframe()
    assert frame is not None
    return place_of(frame.f_back, runner, {})


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["app.py", "lib/site-packages/driver.py", STANDARD[0] + "/socket.py"], "app.py"),
        (["lib/site-packages/driver.py", STANDARD[0] + "/socket.py"], "lib/site-packages/driver.py"),
        ([STANDARD[0] + "/site-packages/app.py", OURS + "/bus.py"], STANDARD[0] + "/site-packages/app.py"),
        ([OURS + "/bus.py", STANDARD[0] + "/socket.py"], STANDARD[0] + "/socket.py"),
    ],
)
def test_a_user_s_line_is_told_before_a_package_s_and_that_before_the_library_s(
    files: list[str], expected: str
) -> None:
    """Whichever of them is innermost; what is outside of the loop is not looked at."""
    calls = [function_in(each, PASS_ON) for each in files]

    async def scenario() -> Place | None:
        runner, seen = runner_of(inspect.currentframe()), list[Place | None]()
        within = function_in(STANDARD[0] + "/x.py", KEEP)
        asyncio.get_running_loop().call_soon(functools.partial(within, seen, *calls, look, runner))
        await asyncio.sleep(0)
        return seen[0]

    place = asyncio.run(scenario())

    assert place == Place(expected, 2, "call", None)


def test_nothing_is_told_of_a_stack_that_is_not_there() -> None:
    """A thread may have ended meanwhile; and what is no coroutine is run by no loop."""
    assert place_of(None, None, {}) is None
    assert runner_of(None) is None
    assert runner_of(inspect.currentframe()) is None
