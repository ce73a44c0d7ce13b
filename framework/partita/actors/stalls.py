"""
A stall: why no call of a pool can be started at the moment, and who waits for its end.

A call that meets one has not begun, so it is held like one that waits for a rate: no attempt is spent and
no drain held up.
"""

import asyncio

from partita.actors.holds import Holds
from partita.core.ports import TopicPartition


class Stall:
    """
    Whether calls can be started.

    Attributes:
        reason: why they cannot, in words; None: they can.
        since: the loop's time at which that began.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self.since = 0.0
        self._waiting: list[asyncio.Future[None]] = []

    def begin(self, reason: str) -> None:
        """No call can be started from now on."""
        if self.reason is None:
            self.since = asyncio.get_running_loop().time()
        self.reason = reason

    def end(self) -> None:
        """Calls can be started again."""
        self.reason = None
        waiting, self._waiting = self._waiting, []
        for ready in waiting:
            # One whose partition went away is done already.
            if not ready.done():
                ready.set_result(None)

    async def wait(self, at: TopicPartition, holds: Holds) -> None:
        """
        Hold a message until calls can be started.

        Args:
            at: the partition of the message.
            holds: the waits of its route.

        Raises:
            Postponed: the partition goes away.
        """
        while self.reason is not None:
            ready = asyncio.get_running_loop().create_future()
            self._waiting.append(ready)
            await holds.wait(at, ready, self.reason)

    def __repr__(self) -> str:
        return f"<Stall {self.reason or 'none'}>"
