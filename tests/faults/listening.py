"""A TCP listener with an event loop in a thread of its own, so that the loop of a test may block."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from typing import TypeVar

HOST = "127.0.0.1"
CHUNK = 65_536
ANSWER_SECONDS = 10.0
TURNS = 5
T = TypeVar("T")

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[object, object, None]]


class Listener:
    """
    Serves connections to one port of 127.0.0.1.

    Args:
        serve: serves one connection; it is cancelled when the listener closes.
        port: where; 0: a free one.
    """

    def __init__(self, serve: Serve, port: int = 0) -> None:
        self._serve, self.port = serve, port
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._faults: list[Exception] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="listener", daemon=True)
        self._thread.start()
        self.up()

    @property
    def address(self) -> str:
        """HOST:PORT, also while it is down."""
        return f"{HOST}:{self.port}"

    def do(self, call: Coroutine[object, object, T]) -> T:
        """The result of a call in the listener's own loop. Not to be called from there."""
        return asyncio.run_coroutine_threadsafe(call, self._loop).result(ANSWER_SECONDS)

    def up(self) -> None:
        """Accept connections."""
        self.do(self._up())

    async def _up(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, HOST, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def down(self) -> None:
        """Refuse connections; those that are open stay."""
        self.do(self._down())

    async def _down(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve_one(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            # The other end broke off, which is all that a connection can say of it.
            pass
        except Exception as fault:  # noqa: BLE001 - raised where a test sees it
            self._faults.append(fault)
        finally:
            writer.transport.abort()

    def close(self) -> None:
        """End every connection, the loop and its thread. Raises what went wrong in serving a connection."""
        self.do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ANSWER_SECONDS)
        self._loop.close()
        if self._faults:
            raise self._faults[0]

    async def _end(self) -> None:
        await self._down()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        # Transports close in later turns of the loop.
        for _ in range(TURNS):
            await asyncio.sleep(0)


async def connect(address: str) -> Streams:
    """A connection to HOST:PORT. Raises OSError."""
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def both(one: Coroutine[object, object, None], other: Coroutine[object, object, None]) -> None:
    """Run two flows until either ends, end the other with it, and raise what the first one raised."""
    flows = [asyncio.ensure_future(one), asyncio.ensure_future(other)]
    try:
        done, _ = await asyncio.wait(flows, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for flow in flows:
            flow.cancel()
        await asyncio.gather(*flows, return_exceptions=True)
    for flow in done:
        flow.result()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset (RST) instead of an end (FIN)."""
    with contextlib.suppress(OSError):  # it is closed already
        connection: socket.socket = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
