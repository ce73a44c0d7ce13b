"""The server: listens at one address, and keeps few connections at once."""

import asyncio
import errno
import socket
from types import TracebackType
from typing import Self

import attrs

from partita_worker.endpoint.connections import Connection, Deadlines, Respond
from partita_worker.endpoint.requests import MOST_HEAD
from partita_worker.failures import SettingRefused

LOOPBACK = "127.0.0.1"
MOST_CONNECTIONS = 100
# Connections that wait to be taken: a flood must not keep a probe from waiting among them.
BACKLOG = 1024
DEFAULT_DEADLINES = Deadlines()
REASONS = {
    errno.EADDRINUSE: "another program listens there; give another port, or 0 for any that is free",
    errno.EADDRNOTAVAIL: "this machine has no such address; give one of its own (default 127.0.0.1)",
    errno.EACCES: "this user may not listen there; give a port from 1024 on, or 0 for any that is free",
}


@attrs.frozen
class Place:
    """
    Where to listen.

    Args:
        port: the port; 0: any that is free.
        host: an address of this machine, or a name for one.
    """

    port: int
    host: str = LOOPBACK


class Server:
    """
    Answers requests at one address. Used in `async with`.

    Args:
        place: where.
        respond: the answer to a request; must not wait and costs little.
        deadlines: how long a client may take.

    Attributes:
        open: the connections that there are, by their tasks, the oldest first.
        refused: connections that were turned away because there were too many.
    """

    def __init__(self, place: Place, respond: Respond, deadlines: Deadlines = DEFAULT_DEADLINES) -> None:
        self._place, self._respond, self._deadlines = place, respond, deadlines
        self._server: asyncio.Server | None = None
        self.open: dict[asyncio.Task[None], Connection] = {}
        self.refused = 0

    @property
    def url(self) -> str:
        """Where it listens, as a URL without a path."""
        assert self._server is not None  # asked while it is open
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def __aenter__(self) -> Self:
        host, port = self._place.host, self._place.port
        try:
            listening = _listen(await _resolve(host, port), port)
        except OSError as error:
            reason = REASONS.get(error.errno or 0, error.strerror or str(error))
            raise SettingRefused(f"cannot listen on {host}, port {port} (--health-port): {reason}") from error
        # asyncio takes as many at once as its backlog has, each a descriptor until its next turn. So it is
        # told a small one, which it also sets for the system; that is set back.
        self._server = await asyncio.start_server(
            self._accept, sock=listening, limit=MOST_HEAD, backlog=MOST_CONNECTIONS
        )
        listening.listen(BACKLOG)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None  # it was entered
        self._server.close()
        for task, connection in self.open.items():
            connection.end()
            task.cancel()
        if self.open:
            await asyncio.wait(list(self.open))

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self.open) >= MOST_CONNECTIONS:
            # The oldest goes, so that whoever only holds connections keeps nobody out.
            task = next(iter(self.open))
            self.open.pop(task).turn_away()
            task.cancel()
            self.refused += 1
        connection = Connection((reader, writer), self._respond, self._deadlines)
        task = asyncio.get_running_loop().create_task(connection.serve())
        self.open[task] = connection
        task.add_done_callback(lambda done: self.open.pop(done, None))


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family, backlog=BACKLOG)


async def _resolve(host: str, port: int) -> str:
    """The one address that a name stands for, so that one port is one socket. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return str(found[0][4][0])
