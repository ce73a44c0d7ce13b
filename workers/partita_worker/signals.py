"""
The stop ladder: the first signal drains, the second ends the process at once.

Handlers are set with `signal.signal`, not on the event loop, so that the second signal works even when a
handler of the user's blocks the loop.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from partita_worker.exits import ExitCode

SIGNALS = (signal.SIGTERM, signal.SIGINT)
CLOSE_SECONDS = 15.0


class StopLadder:
    """
    What SIGTERM and SIGINT do.

    Args:
        stop: called once, from the signal handler; must be safe to call from there.
        drain_timeout: seconds that messages in hand get.
        say: prints a line.
        leave: ends the process at once with an exit code.
    """

    def __init__(
        self,
        stop: Callable[[], None],
        drain_timeout: float,
        say: Callable[[str], None],
        leave: Callable[[int], None] = os._exit,
    ) -> None:
        self._stop, self._drain_timeout = stop, drain_timeout
        self._say, self._leave = say, leave
        self._timer: threading.Timer | None = None

    @contextmanager
    def installed(self) -> Iterator[None]:
        """The ladder is in force inside the block; what was there before is put back after it."""
        before = {number: signal.signal(number, self._received) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            if self._timer is not None:
                self._timer.cancel()

    def _received(self, number: int, frame: FrameType | None) -> None:
        if self._timer is not None:
            self._leave(128 + number)
            return
        # A thread, because a handler that blocks the loop would block a timer of the loop as well.
        limit = self._drain_timeout + CLOSE_SECONDS
        self._timer = threading.Timer(limit, self._leave, [int(ExitCode.DRAIN_DEADLINE)])
        self._timer.daemon = True
        self._timer.start()
        again = "Ctrl-C" if number == signal.SIGINT else "the signal"
        self._say(
            f"{signal.Signals(number).name}: taking nothing new, finishing what is in hand within "
            f"{self._drain_timeout:g} s; {again} once more ends at once and repeats what is in hand"
        )
        self._stop()
