"""A network between client and server that a test can cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Proxy:
    """
    Passes bytes on between its own port and a server.

    Args:
        address: the server's HOST:PORT.
    """

    def __init__(self, address: str) -> None:
        self._host, _, self._port = address.rpartition(":")
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self.listener: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """The proxy's own HOST:PORT."""
        assert self.listener is not None
        return f"127.0.0.1:{self.listener.sockets[0].getsockname()[1]}"

    def cut(self, *, for_good: bool = False) -> None:
        """Break all connections; new ones are refused if *for_good*."""
        if for_good and self.listener is not None:
            self.listener.close()
        for pair in self._pairs:
            for writer in pair:
                writer.transport.abort()

    def inject(self, data: bytes) -> None:
        """Put bytes between those that the server sends."""
        for client, _ in self._pairs:
            client.write(data)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        their_reader, their_writer = await asyncio.open_connection(self._host, int(self._port))
        pair = (writer, their_writer)
        self._pairs.add(pair)
        flows = [_flow(reader, their_writer), _flow(their_reader, writer)]
        await asyncio.wait([asyncio.ensure_future(flow) for flow in flows])
        self._pairs.discard(pair)


async def _flow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.transport.abort()


@asynccontextmanager
async def proxied(address: str) -> AsyncIterator[Proxy]:
    """A proxy for the time of a block."""
    proxy = Proxy(address)
    proxy.listener = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    try:
        yield proxy
    finally:
        proxy.cut(for_good=True)
