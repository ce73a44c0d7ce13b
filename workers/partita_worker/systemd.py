"""
What systemd is told: READY, STATUS, WATCHDOG and STOPPING, in the datagrams of sd_notify(3).

Nothing happens where `NOTIFY_SOCKET` is not set, which is everywhere but in a unit of `Type=notify`.
"""

import asyncio
import os
import socket
from collections.abc import Callable, MutableMapping

from partita import Standing

LOOK_SECONDS = 1.0


class Notifier:
    """
    Tells systemd how a worker is.

    Args:
        environ: where systemd says what it wants; its variables are taken away, as handlers' programs are no
            part of the unit's main process.
    """

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        path = environ.pop("NOTIFY_SOCKET", "")
        self._path = "\0" + path[1:] if path.startswith("@") else path
        ours = environ.pop("WATCHDOG_PID", "") in ("", str(os.getpid()))
        period = int(environ.pop("WATCHDOG_USEC", "") or 0) / 1_000_000  # seconds
        self._watchdog = period if ours else 0.0
        self._ready, self._status = False, ""

    async def run(self, look: Callable[[], Standing]) -> None:
        """Tell until cancelled. The watchdog is fed only while the worker is alive."""
        if not self._path:
            return
        pause = min(LOOK_SECONDS, self._watchdog / 2) if self._watchdog else LOOK_SECONDS
        while True:
            self._look(look())
            await asyncio.sleep(pause)

    def _look(self, standing: Standing) -> None:
        lines = []
        if standing.ready.healthy and not self._ready:
            self._ready = True
            lines.append("READY=1")
        status = "ready" if standing.ready.healthy else standing.ready.reason
        if status != self._status:
            self._status = status
            lines.append(f"STATUS={status}")
        if self._watchdog and standing.live.healthy:
            lines.append("WATCHDOG=1")
        self._send(*lines)

    def stopping(self) -> None:
        """The worker was asked to end."""
        self._send("STOPPING=1", "STATUS=finishing what is in hand")

    def _send(self, *lines: str) -> None:
        if not self._path or not lines:
            return
        text = "\n".join(line.replace("\n", " ") for line in lines)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            try:
                sender.setblocking(False)
                sender.sendto(text.encode(), self._path)
            except OSError:
                return  # systemd restarts, or its queue is full: its watchdog judges by what comes later
