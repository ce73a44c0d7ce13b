"""A network between client and server that a test can slow down, cut up, break and silence."""

import asyncio
import contextlib
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
from tests.faults.listening import CHUNK, Listener, Streams, both, connect, reset

# Chunks on their way in one direction: what a network of this latency holds.
ON_THE_WAY = 256
TICK = 0.05


@attrs.frozen
class Shape:
    """
    How bytes pass, in both directions.

    Args:
        latency: seconds until a byte arrives.
        jitter: each piece takes up to this many seconds less or more; order is kept.
        rate: bytes per second of one connection and direction.
        piece: most bytes that are sent at once.
    """

    latency: float = 0.0
    jitter: float = 0.0
    rate: float = math.inf
    piece: int = CHUNK


@attrs.define(eq=False)
class Pair:
    """One connection of a client, and the one to the server behind it. A dead one answers nothing."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    dead: bool = False


class ByteProxy:
    """
    Passes bytes on between its own port and a server; each verb holds until another one is said.

    Args:
        server: the server's HOST:PORT.
        port: its own port; 0: a free one.

    Attributes:
        accepted: connections so far.
    """

    def __init__(self, server: str, port: int = 0) -> None:
        self._server = server
        self._shape = Shape()
        self._pairs: set[Pair] = set()
        self._audible = asyncio.Event()
        self._audible.set()
        self.accepted = 0
        self._listener = Listener(self._serve, port)

    @property
    def address(self) -> str:
        """The proxy's own HOST:PORT."""
        return self._listener.address

    @property
    def open(self) -> int:
        """Connections that are open."""
        return len(self._pairs)

    def pass_on(self) -> None:
        """Pass everything at once, also what was kept silent."""
        self._shape = Shape()
        self._listener.do(self._hear(True))
        self._listener.up()

    def slow(self, latency: float, jitter: float = 0.0) -> None:
        """Every byte arrives *latency* seconds later, up to *jitter* less or more; order is kept."""
        self._shape = attrs.evolve(self._shape, latency=latency, jitter=jitter)

    def throttle(self, rate: float) -> None:
        """Let *rate* bytes per second pass in each direction of each connection."""
        self._shape = attrs.evolve(self._shape, rate=rate)

    def slice(self, piece: int) -> None:
        """Send at most *piece* bytes at once."""
        self._shape = attrs.evolve(self._shape, piece=piece)

    def reset(self) -> None:
        """Break every open connection with a reset, on both sides; new ones are served."""
        self._listener.do(self._reset())

    def inject(self, data: bytes) -> None:
        """Let every client read this between the bytes that the server sends."""
        self._listener.do(self._inject(data))

    def black_hole(self) -> None:
        """
        Keep silent: connections stay, new ones are accepted, and no byte and no end of one passes, until
        `pass_on`; then everything arrives, as after a cut cable.
        """
        self._listener.do(self._hear(False))

    def half_open(self) -> None:
        """
        Forget the open connections as a router does: the server sees a reset, the client nothing, and
        nothing it sends is ever answered. New ones are served.
        """
        self._listener.do(self._forget())

    def down(self) -> None:
        """Break every open connection and refuse new ones, until `up`."""
        self._listener.down()
        self.reset()

    def up(self) -> None:
        """Accept connections again."""
        self._listener.up()

    def close(self) -> None:
        """End everything."""
        self._listener.close()

    async def _hear(self, audible: bool) -> None:
        (self._audible.set if audible else self._audible.clear)()

    async def _reset(self) -> None:
        for pair in self._pairs:
            for writer in (pair.client, pair.server):
                if writer is not None:
                    reset(writer)

    async def _inject(self, data: bytes) -> None:
        for pair in self._pairs:
            pair.client.write(data)

    async def _forget(self) -> None:
        for pair in self._pairs:
            pair.dead = True
            if pair.server is not None:
                reset(pair.server)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        pair = Pair(writer)
        self._pairs.add(pair)
        try:
            await self._audible.wait()
            back, pair.server = await connect(self._server)
            with contextlib.suppress(OSError):  # the server's side has broken, on purpose perhaps
                await both(self._flow((reader, pair.server), pair), self._flow((back, writer), pair))
            while pair.dead and await reader.read(CHUNK):
                pass  # into the void, until the client gives up
        finally:
            self._pairs.discard(pair)
            if pair.server is not None:
                pair.server.transport.abort()

    async def _flow(self, ends: Streams, pair: Pair) -> None:
        """One direction: what is read now is written when its time has come."""
        reader, writer = ends
        way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(ON_THE_WAY)
        reading = asyncio.ensure_future(self._read(reader, way))
        try:
            while True:
                due, data = await way.get()
                await asyncio.sleep(due - asyncio.get_running_loop().time())
                await self._audible.wait()
                if pair.dead or not data:
                    return
                await self._write(writer, data)
        finally:
            reading.cancel()

    async def _read(self, reader: asyncio.StreamReader, way: "asyncio.Queue[tuple[float, bytes]]") -> None:
        due = 0.0
        data = b"-"
        while data:
            try:
                data = await reader.read(CHUNK)
            except OSError:
                data = b""  # an end like any other
            latency = self._shape.latency + random.uniform(-1, 1) * self._shape.jitter
            due = max(due, asyncio.get_running_loop().time() + latency)
            await way.put((due, data))

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        at = 0
        while at < len(data):
            shape = self._shape
            most = min(shape.piece, max(1, int(min(shape.rate, 1e9) * TICK)))
            # A pause of nothing, too, gives the other connections their turn.
            await asyncio.sleep(min(most, len(data) - at) / shape.rate)
            writer.write(data[at : at + most])
            await writer.drain()
            at += most


@contextmanager
def byte_proxy(server: str, port: int = 0) -> Iterator[ByteProxy]:
    """A proxy in front of HOST:PORT for the time of a block."""
    proxy = ByteProxy(server, port)
    try:
        yield proxy
    finally:
        proxy.close()
