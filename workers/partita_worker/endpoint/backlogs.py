"""
Looks at the backlogs of the worker's groups now and then, so that requests are answered from what is known.

However many ask, the broker is asked once in ten seconds, over a connection that is there already.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping

import attrs

from partita import Backlog, EventBus
from partita_worker.endpoint.addresses import without_addresses
from partita_worker.verdicts import described

LOOK_SECONDS = 10.0
STALE_SECONDS = 60.0
_log = logging.getLogger("partita_worker.endpoint")


@attrs.frozen
class Known:
    """
    What is known of the backlogs.

    Args:
        backlogs: one for each group that was looked at.
        age: seconds since that was asked; None: nothing was found out yet.
        trouble: why there is nothing newer; "" when the last look succeeded.
    """

    backlogs: Collection[Backlog] = ()
    age: float | None = None
    trouble: str = "nothing was looked at yet"

    @property
    def fresh(self) -> bool:
        """Whether it can be relied on."""
        return self.age is not None and self.age <= STALE_SECONDS


@attrs.define
class BacklogLook:
    """
    What was found out last.

    Args:
        bus: where the groups are.
        groups: their names.
        now: seconds on a clock that never goes back.
    """

    bus: EventBus
    groups: Collection[str]
    now: Callable[[], float]
    _found: Mapping[str, Backlog] = attrs.field(factory=dict)
    _asked_at: float | None = None
    _trouble: str = Known().trouble

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            if self.bus.is_running:
                await self._look()
            await asyncio.sleep(LOOK_SECONDS if self._asked_at is not None else 1.0)

    async def _look(self) -> None:
        asked_at = self.now()
        try:
            self._found = {group: await self.bus.check_backlog(group) for group in self.groups}
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and tried again
            if not self.bus.is_running:
                return  # it has just been closed
            if not self._trouble:
                _log.warning("the backlog could not be looked at: %s", described(error))
            self._trouble = without_addresses(described(error))
            return
        self._asked_at, self._trouble = asked_at, ""

    @property
    def known(self) -> Known:
        """How old it is, too."""
        age = None if self._asked_at is None else self.now() - self._asked_at
        return Known(tuple(self._found.values()), age, self._trouble)
