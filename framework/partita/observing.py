"""What observes: the part of a bus that tells how it and its broker are."""

from collections.abc import Sequence

from partita.core.health import Health
from partita.core.standing import Standing
from partita.core.states import PartitionState
from partita.opened import Opened
from partita.probe import BrokerProbe
from partita.running import Running

HEALTH_SECONDS = 5.0


class Observing(Opened):
    """Observes what runs on one bus."""

    def _observe(self, running: Running) -> None:
        self._running = running
        self._probe = BrokerProbe(self._backend)

    async def health_check(self, *, timeout: float = HEALTH_SECONDS) -> Health:
        """
        Ask the broker, and report it together with every consumer and parked message.

        Args:
            timeout: seconds that the broker has for its answer.
        """
        self._check_open()
        return Health({"broker": await self._probe.ask(timeout), **self._running.parts})

    def standing(self) -> Standing:
        """
        Whether what runs here is alive, ready and started, each with a reason. The broker is not asked.

        `ready` is false before the first join, while a group deals out its partitions, when a consumer has
        not polled for 10 s, and from the beginning of a drain on.
        """
        return self._running.standing

    def states(self) -> Sequence[PartitionState]:
        """
        What each partition of every consumer that runs here is doing; asks no broker.

        Raises:
            Closed: the bus is not open.
        """
        self._check_open()
        return self._running.states
