"""
Asks for the health of the bus again and again, so that requests are answered from what is known.

However many probes come, the broker is asked once in two seconds, over a connection that is there already.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

import attrs

from partita import Closed, EventBus, Health, Part, PartitionState

ASK_SECONDS, SOON_SECONDS = 2.0, 0.05
# The broker's answer: asked at most 2 s after it fell silent, it is red within 7 s.
ANSWER_SECONDS = 5.0
STALE_SECONDS = 10.0
NOT_OPEN = Health({"broker": Part(healthy=False, reason="the worker has not connected to it yet")})
_log = logging.getLogger("partita_worker.endpoint")


@attrs.define
class Watch:
    """
    What was found out last.

    Args:
        bus: whose health it is.
        now: seconds on a clock that never goes back.

    Attributes:
        lag: seconds by which the event loop came late to the last look; a handler that blocks it shows here.
    """

    bus: EventBus
    now: Callable[[], float]
    lag: float = 0.0
    _known: Health = NOT_OPEN
    _asked_at: float | None = None

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            # Soon again while there is no bus yet: what follows its opening waits for this.
            pause = ASK_SECONDS if await self._ask() else SOON_SECONDS
            due = self.now() + pause
            await asyncio.sleep(pause)
            self.lag = max(0.0, self.now() - due)

    async def _ask(self) -> bool:
        """Whether there is a bus that can be asked."""
        asked_at = self.now()
        try:
            self._known = await self.bus.health_check(timeout=ANSWER_SECONDS)
        except Closed:
            return False
        except Exception:  # noqa: BLE001 - whatever it is, the report says by its age that nothing was found out
            _log.exception("the health check failed")
            return True
        self._asked_at = asked_at
        return True

    @property
    def states(self) -> Sequence[PartitionState]:
        """What each partition is doing; none while the bus is not open."""
        try:
            return self.bus.states()
        except Closed:
            return ()

    @property
    def health(self) -> Health:
        """What is known, and never what was known once: an old answer is red."""
        if self._asked_at is None:
            return self._known
        age = self.now() - self._asked_at
        if age <= STALE_SECONDS:
            return self._known
        stale = Part(healthy=False, reason="nothing was found out for longer than 10 s", since=age)
        return Health({**self._known.parts, "health check": stale})
