"""What a worker knows of itself at one moment: what every page is made from."""

import attrs

from partita import Health, Part, Standing
from partita_worker.endpoint.backlogs import Known


@attrs.frozen
class Snapshot:
    """
    One worker at one moment.

    Args:
        standing: whether it is alive, ready and started, from inside.
        health: its parts, the broker among them.
        lag: seconds by which its event loop was late at the last look.
        backlogs: what waits for its groups.
    """

    standing: Standing
    health: Health
    lag: float = 0.0
    backlogs: Known = attrs.field(factory=Known)

    @property
    def live(self) -> Part:
        """Whether it should go on; no broker has a say in it."""
        return self.standing.live

    @property
    def ready(self) -> Part:
        """Whether it does its work: it polls and has its share, and the broker answers."""
        ready, broker = self.standing.ready, self.health.parts.get("broker")
        if not ready.healthy or broker is None or broker.healthy:
            return ready
        return attrs.evolve(broker, reason=f"broker: {broker.reason}")

    @property
    def started(self) -> Part:
        """Whether its start is over."""
        return self.standing.started

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong with it; one that only drains is healthy."""
        return self.live.healthy and self.health.healthy
