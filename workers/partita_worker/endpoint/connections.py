"""
One connection: one request, one answer, and each step with a deadline.

Whatever a client sends, or does not send, or does not read, costs a bounded amount of memory and time.
"""

import asyncio
import logging
from collections.abc import Callable

import attrs

from partita_worker.endpoint.answers import Answer, refusal
from partita_worker.endpoint.requests import Request, read_request

LINGER_BYTES = 4 * 1024 * 1024
CHUNK = 64 * 1024
BUSY = refusal(503, "too many connections at once", (("Retry-After", "1"),))
Respond = Callable[[Request], Answer]
_log = logging.getLogger("partita_worker.endpoint")


@attrs.frozen
class Deadlines:
    """
    How long a client may take, in seconds.

    Args:
        ask: until its request is there.
        take: until it has taken the answer.
        linger: to close after that. What it still sends is read and dropped: closing at once would have the
            system reset the connection, and the answer may be lost with it.
    """

    ask: float = 5.0
    take: float = 5.0
    linger: float = 1.0


class Connection:
    """
    One client.

    Args:
        streams: what it sends, and what it is told.
        respond: the answer to a request.
        deadlines: how long it may take.
    """

    def __init__(
        self,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        respond: Respond,
        deadlines: Deadlines,
    ) -> None:
        self._reader, self._writer = streams
        self._respond, self._deadlines = respond, deadlines
        self._told = False
        # Nothing waits in the transport then: what was drained is the system's to deliver.
        self._writer.transport.set_write_buffer_limits(high=0)

    def turn_away(self) -> None:
        """Say that there are too many, if nothing was said yet, and end it."""
        if not self._told:
            self._told = True
            self._writer.write(BUSY.encode())
        self.end()

    def end(self) -> None:
        """End it; `serve` is to be cancelled then, which may come before its first step."""
        self._writer.close()

    async def serve(self) -> None:
        """Answer one request, and end the connection."""
        try:
            await self._exchange()
        except OSError:
            # The other end broke off or does not read (a TimeoutError is one): nobody is left to tell.
            return
        finally:
            # Also when cancelled, because it was turned away or the worker ends: an answer may be half
            # sent then, and its client sees that from the length that it was told.
            self._writer.transport.abort()

    async def _exchange(self) -> None:
        asked = await self._ask()
        if asked is None:
            return
        answer = self._answer(asked) if isinstance(asked, Request) else asked
        self._told = True
        self._writer.write(answer.encode(head=isinstance(asked, Request) and asked.head))
        async with asyncio.timeout(self._deadlines.take):
            await self._writer.drain()
        if not self._writer.transport.is_closing():
            self._writer.write_eof()
            await self._linger()

    async def _ask(self) -> Request | Answer | None:
        try:
            async with asyncio.timeout(self._deadlines.ask):
                return await read_request(self._reader)
        except TimeoutError:
            return refusal(408, f"a request has to be there within {self._deadlines.ask:g} s")

    def _answer(self, request: Request) -> Answer:
        try:
            return self._respond(request)
        except Exception:  # noqa: BLE001 - a page that fails is one client's trouble and no reason to stop the others'
            _log.exception("a page of the health endpoint could not be made")
            return refusal(500, "this could not be answered; the worker's log says why")

    async def _linger(self) -> None:
        left = LINGER_BYTES
        try:
            async with asyncio.timeout(self._deadlines.linger):
                while left > 0 and (piece := await self._reader.read(CHUNK)):
                    left -= len(piece)
        except TimeoutError:
            return
