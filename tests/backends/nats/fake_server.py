"""A server that speaks just enough NATS to show what a client sends to a server it should not trust."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import attrs


@attrs.define(eq=False)
class FakeServer:
    """Greets with *info*, answers pings, and says that nobody listens to any request."""

    info: Mapping[str, object]
    received: bytearray = attrs.field(factory=bytearray)
    address: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        greeting = {"version": "2.15.1", "max_payload": 1048576, "headers": True, **self.info}
        writer.write(b"INFO " + json.dumps(greeting).encode() + b"\r\n")
        try:
            while line := await reader.readline():
                self.received += line
                self._answer(line, writer)
                await writer.drain()
        except OSError:
            pass
        writer.transport.abort()

    @staticmethod
    def _answer(line: bytes, writer: asyncio.StreamWriter) -> None:
        words = line.split()
        if words[:1] == [b"PING"]:
            writer.write(b"PONG\r\n")
        elif words[:1] == [b"PUB"] and len(words) == 4:
            writer.write(b"HMSG %s 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n" % words[2])


@asynccontextmanager
async def faking(**info: object) -> AsyncIterator[FakeServer]:
    """A fake server for the time of a block."""
    server = FakeServer(info)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.address = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
