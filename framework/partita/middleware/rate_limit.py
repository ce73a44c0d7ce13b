"""The route option `rate`: a handler is called at most so often per second, in one process."""

import asyncio
from collections import deque
from collections.abc import Awaitable

from partita.actors.holds import Holds
from partita.core.ports import RecordReader, TopicPartition
from partita.core.rates import RateCounter
from partita.handlers import Call

TICK = 0.01


class RateLimit:
    """
    One counter for one route, refilled by a timer while it is not full.

    A call that finds something in the counter goes on at once, with no coroutine and no look at a clock
    in between; the others wait, first come, first served, and do not hold up a drain. While the counter
    is not full a timer runs, so there is one whenever somebody waits.

    Args:
        rate: calls per second; the counter holds one second's worth, and at least one.
        reader: reads the records.
        holds: the waits of this route.

    Raises:
        SettingsError: the rate is not a number above 0.
    """

    def __init__(self, rate: float, reader: RecordReader, holds: Holds) -> None:
        self._counter = RateCounter(rate)
        self._reader, self._holds = reader, holds
        self._queue: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._since = 0.0

    @property
    def waiting(self) -> int:
        """Calls that wait."""
        return len(self._queue)

    def around(self, call: Call) -> Call:
        """*call* at this rate."""
        queue, take = self._queue, self._counter.take

        def limited(record: object, attempt: int) -> Awaitable[object]:
            if queue or not take():
                return self._later(call, record, attempt)
            if self._timer is None:
                self._start()
            return call(record, attempt)

        return limited

    async def _later(self, call: Call, record: object, attempt: int) -> object:
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(ready)
        at = TopicPartition(self._reader.topic(record), self._reader.partition(record))
        try:
            await self._holds.wait(at, ready, "rate limit")
        except BaseException:
            # Cancelled or postponed: nothing has begun, and its turn, if it was given one, is free again.
            if ready in self._queue:
                self._queue.remove(ready)
            else:
                self._counter.put_back()
                self._let_go()
            raise
        return await call(record, attempt)

    def _start(self) -> None:
        self._since = asyncio.get_running_loop().time()
        self._set_timer()

    def _set_timer(self) -> None:
        wait = max(TICK, self._counter.next_in)
        self._timer = asyncio.get_running_loop().call_later(wait, self._refill)

    def _refill(self) -> None:
        now = asyncio.get_running_loop().time()
        self._counter.refill(now - self._since)
        self._since = now
        self._let_go()
        if self._queue or not self._counter.full:
            self._set_timer()
        else:
            self._timer = None

    def _let_go(self) -> None:
        while self._queue and self._counter.take():
            ready = self._queue.popleft()
            # One that was postponed meanwhile gives its turn back when its task runs.
            if not ready.done():
                ready.set_result(None)

    def __repr__(self) -> str:
        return f"<RateLimit {self._counter.rate:g} a second, {self.waiting} waiting>"
