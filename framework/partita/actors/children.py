"""
One process of a pool: started, handed messages, asked to end or killed.

It belongs to a pool, which decides what it is handed. Bytes go through a socket pair, a batch of messages
out and a batch of answers back, each one wake of the loop. What it does at the moment stands on a board of
shared memory, which still tells when the process is dead.
"""

import asyncio
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol

import anyio
import anyio.abc
import attrs

from partita.core.blame import culprit
from partita.core.frames import FrameReader, Kind, frame, read_report

BOARD_BYTES = 16
# Its own search path, so that it finds what this process finds; the rest is asked for by name.
_BOOT = (
    "import json, sys; given = json.loads(sys.argv[1]); sys.path[:] = given['path']; "
    "from partita.child import main; main(given)"
)


@attrs.define(eq=False)
class Errand:
    """
    A message for a process.

    Args:
        parcel: what is sent.
        future: who waits for its result.
    """

    parcel: bytes
    future: "asyncio.Future[object]"


class Parent(Protocol):
    """Whom a process tells what happens."""

    def ready(self, child: "Child") -> None:
        """It has imported the handler."""
        ...

    def answered(self, errand: Errand, kind: int, text: bytes) -> None:
        """A message has been handled."""
        ...

    def spent(self, child: "Child", seconds: float, messages: int) -> None:
        """That many messages took so long."""
        ...

    def lost(self, child: "Child") -> None:
        """It has closed its end: it is dead, or about to be."""
        ...


class Child(asyncio.Protocol):
    """
    One process.

    Args:
        parent: whom it tells.

    Attributes:
        in_hand: the messages that it has, the one it is at first.
        refused: why it could not import the handler.
        overdue: the message that it is killed for.
    """

    def __init__(self, parent: Parent) -> None:
        self.in_hand: deque[Errand] = deque()
        self.is_ready = False
        self.refused = ""
        self.overdue: Errand | None = None
        self._parent = parent
        self._frames = FrameReader()
        self._answers = 0
        self._process: anyio.abc.Process | None = None
        self._transport: asyncio.Transport | None = None
        self._board: memoryview | None = None

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None  # it was started
        return self._process.pid

    async def start(self, given: Mapping[str, object]) -> None:
        """
        Start the process; `Parent.ready` or `Parent.lost` follows.

        Args:
            given: what `partita.child` needs to know beside its descriptors.

        Raises:
            OSError: there is none to be had.
        """
        ours, theirs = socket.socketpair()
        with theirs, tempfile.TemporaryFile() as board:
            board.truncate(BOARD_BYTES)
            self._board = memoryview(mmap.mmap(board.fileno(), BOARD_BYTES)).cast("Q")
            fds = {"socket": theirs.fileno(), "board": board.fileno()}
            told = json.dumps({**given, **fds, "path": sys.path})
            try:
                self._process = await anyio.open_process(
                    [sys.executable, "-c", _BOOT, told],
                    stdin=subprocess.DEVNULL, stdout=None, stderr=None, pass_fds=tuple(fds.values()),
                )  # fmt: skip
            except BaseException:
                # No process: a cancellation must not leave a socket that nobody closes.
                ours.close()
                raise
        ours.setblocking(False)
        self._transport, _ = await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=ours)

    def hand(self, errands: Sequence[Errand]) -> None:
        """Give it messages, which it handles in this order."""
        assert self._transport is not None  # it is ready
        self.in_hand.extend(errands)
        self._transport.write(frame(b"".join(each.parcel for each in errands)))

    def data_received(self, data: bytes) -> None:
        """Answers have come."""
        for body in self._frames.feed(data):
            seconds, answers = read_report(body)
            if self.is_ready:
                self._answered(seconds, answers)
            elif answers[0][0] == Kind.READY:
                self.is_ready = True
                self._parent.ready(self)
            else:
                self.refused = answers[0][1].decode()

    def _answered(self, seconds: float, answers: Sequence[tuple[int, bytes]]) -> None:
        for kind, text in answers:
            self._answers += 1
            self._parent.answered(self.in_hand.popleft(), kind, text)
        self._parent.spent(self, seconds, len(answers))

    def connection_lost(self, exc: Exception | None) -> None:
        """The process has closed its end."""
        self._parent.lost(self)

    def busy_with(self) -> tuple[Errand | None, float]:
        """The message it is at, and the seconds since it began it."""
        assert self._board is not None  # it was started
        ended, began = self._board[0], self._board[1]
        at = ended - self._answers
        if not began or ended != self._board[0] or at >= len(self.in_hand):
            return None, 0.0
        return self.in_hand[at], (time.monotonic_ns() - began) / 1e9

    @property
    def culprit(self) -> Errand | None:
        """The message that it died of, see `core.blame`."""
        assert self._board is not None  # it was started
        return culprit(self.in_hand, self._board[0] - self._answers, self.overdue)

    def kill(self) -> None:
        """End it at once, whatever it does. It must not be known to be dead."""
        assert self._process is not None  # it was started
        try:
            self._process.kill()
        # It has ended by itself just now, and `ended` tells how.
        except ProcessLookupError:
            return

    def end(self) -> None:
        """Let it end when it has nothing in hand, else kill it."""
        assert self._transport is not None  # it was started
        if self.in_hand or not self.is_ready:
            self.kill()
        else:
            self._transport.write(frame(b""))

    async def ended(self, seconds: float) -> str:
        """Wait for its end, and kill it after *seconds*; returns how it ended, in words."""
        assert self._process is not None and self._transport is not None  # noqa: PT018 - it was started
        with anyio.move_on_after(seconds) as scope:
            await self._process.wait()
        if scope.cancelled_caught:
            self.kill()
        code = await self._process.wait()
        self._transport.close()
        return f"was killed by {_name(-code)}" if code < 0 else f"ended with exit code {code}"

    def __repr__(self) -> str:
        state = "ready" if self.is_ready else "starting"
        return f"<Child {state}: {len(self.in_hand)} in hand>"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    # A real-time signal has no name.
    except ValueError:
        return f"signal {number}"


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
