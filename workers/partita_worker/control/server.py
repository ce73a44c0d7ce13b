"""The server's side: one request a connection, each in one line of JSON, and each step with a deadline."""

import asyncio
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from partita_worker.control.places import LONGEST
from partita_worker.failures import SettingRefused

MOST_BYTES = 4096
MOST_CONNECTIONS = 16
SECONDS = 5.0
# Turns of the loop that a connection takes which the system has made, until it is known here.
ACCEPTING = 3
Request = Mapping[str, object]
Answer = Mapping[str, object]
_log = logging.getLogger("partita_worker.control")


@attrs.define
class Control:
    """
    Answers requests.

    Args:
        answer: what is answered; must not wait. A LookupError or ValueError of it is told to who asked.
    """

    answer: Callable[[Request], Answer]
    _open: dict[asyncio.StreamWriter, asyncio.Task[None]] = attrs.field(factory=dict, init=False)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection was made."""
        self._open[writer] = asyncio.get_running_loop().create_task(self._serve(reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                # Read in any case: closing with bytes unread would take the answer back.
                line = await reader.readline()
                busy = len(self._open) > MOST_CONNECTIONS
                told = {"error": "too many connections at once"} if busy else self._told(line)
                writer.write(json.dumps(told).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError) as error:
            # Whoever asked has gone, was too slow, or sends lines without an end: nobody is left to tell.
            _log.info("a request was not answered: %s", type(error).__name__)
        finally:
            self._open.pop(writer, None)
            writer.close()

    async def end(self) -> None:
        """End the connections that there are; an answer may be half sent then, and has no end of line."""
        for _ in range(ACCEPTING):
            await asyncio.sleep(0)
        serving = dict(self._open)
        for writer, task in serving.items():
            writer.transport.abort()
            task.cancel()
        if serving:
            await asyncio.wait(serving.values())
        await asyncio.sleep(0)  # the transports close their sockets in the loop's next turn

    def _told(self, line: bytes) -> Answer:
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise ValueError("a request is a JSON object")
            return self.answer(request)
        except (LookupError, ValueError, TypeError) as error:
            return {"error": str(error.args[0]) if error.args else type(error).__name__}


@asynccontextmanager
async def controlled(path: Path, control: Control) -> AsyncIterator[None]:
    """
    Answer at *path* inside the block; the socket is its owner's alone, and is gone after it.

    Raises:
        SettingRefused: another worker answers there, or there can be no socket.
    """
    _clear(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Made with its rights: between making it and changing them anybody could connect.
        before = os.umask(0o177)
        try:
            listening.bind(str(path))
        finally:
            os.umask(before)
        server = await asyncio.start_unix_server(control.accept, sock=listening, limit=MOST_BYTES)
    except OSError as error:
        listening.close()
        told = f"there can be no control socket at {path} (--control-socket): {error}"
        raise SettingRefused(told) from error
    try:
        async with server:
            try:
                yield
            finally:
                # Before the server is closed: asyncio loses a connection that it is making just then.
                await control.end()
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    """Take a socket away that a worker left behind that is gone."""
    if len(os.fsencode(path)) > LONGEST:
        raise SettingRefused(
            f"the path of the control socket is above {LONGEST} bytes: {path}; give a shorter one"
        )
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError:
            return  # what is wrong is told when it is to be used
    raise SettingRefused(f"another worker answers at {path} already; give this one another --control-socket")
