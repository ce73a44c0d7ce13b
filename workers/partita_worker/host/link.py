"""
The line between a host and one of its processes: the process reports, and notices when its host is gone.

One JSON object a line. Nothing is asked over it, so neither side can make the other wait.
"""

import json
import os
import signal
import socket
import threading
from collections.abc import Mapping, MutableMapping
from typing import Self

import attrs

VARIABLE = "PARTITA_HOST_LINK"
# A report of a thousand partitions is half a megabyte.
MOST_BYTES = 32 * 1024 * 1024


@attrs.frozen(eq=False)
class Link:
    """
    A process's end.

    Args:
        number: which of the host's processes this is, from 0.
        count: how many there are.
        figures: whether the host wants what its HTTP endpoint tells.
        end: the socket.
    """

    number: int
    count: int
    figures: bool
    end: socket.socket

    @classmethod
    def found(cls, environ: MutableMapping[str, str]) -> Self | None:
        """
        The link that this process was started with, if it was; its variable is taken away.

        What a handler starts is no process of the host, and must hold neither the variable nor the socket.
        """
        text = environ.pop(VARIABLE, "")
        if not text:
            return None
        number, count, figures, descriptor = map(int, text.split(":"))
        os.set_inheritable(descriptor, False)
        return cls(number, count, bool(figures), socket.socket(fileno=descriptor))

    def watch(self) -> None:
        """From now on, be asked to end when the host is gone, however it went."""
        threading.Thread(target=self._wait_for_end, name="partita-host-link", daemon=True).start()

    def _wait_for_end(self) -> None:
        try:
            while self.end.recv(1):
                continue  # nothing is ever sent; a host of another version may
        except OSError:
            pass  # reset: it is gone as well
        # As if it had asked: what is in hand is finished, within the drain timeout.
        os.kill(os.getpid(), signal.SIGTERM)

    def report(self, report: Mapping[str, object]) -> None:
        """Send a report. One that the host does not take in time is lost with the connection."""
        try:
            self.end.sendall(json.dumps(report).encode() + b"\n")
        except OSError:
            return  # its host is gone, which the other thread sees to


def pair(number: int, count: int, *, figures: bool) -> tuple[socket.socket, socket.socket, str]:
    """The host's end of a new link, the process's, and what the variable says to that process."""
    ours, theirs = socket.socketpair()
    return ours, theirs, f"{number}:{count}:{int(figures)}:{theirs.fileno()}"
