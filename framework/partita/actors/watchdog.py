"""
The watchdog: a thread that asks the event loop to answer, and names what keeps it from turning.

A handler that blocks holds up every other message of the process, the heartbeats too, and looks like a
broker in trouble. The thread asks four times a second; nothing is done per message. It tells file, line
and function, never a value.
"""

import asyncio
import logging
import sys
import threading
import time
from types import CodeType, FrameType

from partita.actors.places import Place, code_of, place_of, runner_of
from partita.core.lag import Blocked, LagWatch, Recovered

THRESHOLD_SECONDS = 1.0
INTERVAL_SECONDS = 0.25
JOIN_SECONDS = 1.0
_log = logging.getLogger("partita.watchdog")


class Watchdog:
    """
    Watches one event loop; `start` and `stop` are called on it.

    A warning is logged when the loop has not turned for the threshold, and one with the whole time when
    it turns again.

    Args:
        threshold: seconds without a turn. Default 1.
        interval: seconds between two questions; what is shorter is not seen. Default 0.25.

    Raises:
        SettingsError: a number is not above 0.
    """

    def __init__(self, threshold: float = THRESHOLD_SECONDS, interval: float = INTERVAL_SECONDS) -> None:
        self._watch = LagWatch(threshold, interval)
        self._handlers: dict[CodeType, str] = {}
        self._answered: float | None = None
        self._place: Place | None = None
        self._runner: FrameType | None = None
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def know(self, function: object, name: str) -> None:
        """When *function*, decorated or not, is running, tell it as handler *name*."""
        code = code_of(function)
        if code is None:
            return
        # A decorator that hides what it decorates has one code for all of it.
        known = self._handlers.get(code, name)
        self._handlers[code] = name if known == name else f"{known} or {name}"

    @property
    def running(self) -> bool:
        """Whether its thread is alive."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Watch the running loop from now on; started twice is started once."""
        if self.running:
            return
        loop, here = asyncio.get_running_loop(), threading.get_ident()
        self._watch = LagWatch(self._watch.threshold, self._watch.interval)
        self._runner = runner_of(sys._getframe())
        self._end = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(loop, here, self._end), name="partita-watchdog", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the thread, if there is one; waits for its end, at most a second."""
        self._end.set()
        thread, self._thread, self._runner = self._thread, None, None
        if thread is not None:
            thread.join(JOIN_SECONDS)

    def _run(self, loop: asyncio.AbstractEventLoop, thread: int, end: threading.Event) -> None:
        due = time.monotonic() + self._watch.interval
        while not end.wait(self._watch.interval):
            if self._watch.asked is None:
                # What holds the interpreter keeps this thread from asking, too: the loop counts as asked
                # when it was due, and where it is now is looked at before it can go on.
                self._answered = None
                self._watch.ask(due)
                self._look(thread)
                if not self._post(loop):
                    return
            else:
                self._look(thread)
            due = time.monotonic() + self._watch.interval

    def _post(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Ask; False when there is no loop any more."""
        try:
            loop.call_soon_threadsafe(self._answer)
        # Closed without `stop`: there is nothing left to watch.
        except RuntimeError:
            return False
        return True

    def _answer(self) -> None:
        self._answered = time.monotonic()

    def _look(self, thread: int) -> None:
        news = self._watch.look(time.monotonic(), self._answered)
        if isinstance(news, Blocked):
            self._place = place_of(sys._current_frames().get(thread), self._runner, self._handlers)
            if self._place is not None:
                self._watch.tell()
                _log.warning("the event loop has not turned for %.1f s: %s", news.seconds, self._place)
        elif isinstance(news, Recovered):
            _log.warning("the event loop turns again after %.1f s: %s", news.seconds, self._place)

    def __repr__(self) -> str:
        return f"<Watchdog {'running' if self.running else 'stopped'}>"
