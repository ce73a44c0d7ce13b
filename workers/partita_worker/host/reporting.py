"""The reports of one process to its host, for as long as it runs."""

import asyncio
from collections.abc import Callable, Iterable

import attrs

from partita import EventBus, Part, Standing
from partita_worker.endpoint.figures import Family
from partita_worker.endpoint.pages import backlog
from partita_worker.endpoint.snapshot import Snapshot
from partita_worker.endpoint.tables import families_of
from partita_worker.host.link import Link
from partita_worker.host.reports import Figures, Report, figures_of, told

# Soon in the beginning: the host waits for it before it restarts the next.
SOON, LATER = 0.2, 2.0


@attrs.frozen(eq=False)
class Reporting:
    """
    Reports of one process.

    Args:
        link: where to.
        bus: what it runs.
        look: what is known of it; None where the host wants no figures.
        figures: its figures.
    """

    link: Link
    bus: EventBus
    look: Callable[[], Snapshot] | None = None
    figures: Callable[[], Iterable[Family]] = tuple

    async def run(self) -> None:
        """Report until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            standing = self.bus.standing()
            report = self._report(standing)
            # In a thread: a host that is stopped for a while takes nothing, and this loop must go on.
            await loop.run_in_executor(None, self.link.report, report)
            await asyncio.sleep(LATER if standing.ready.healthy else SOON)

    def _report(self, standing: Standing) -> Report:
        report = Report(
            open=self.bus.is_running,
            live=told(standing.live),
            ready=told(standing.ready),
            started=told(standing.started),
        )
        if self.look is not None:
            snapshot = self.look()
            report["ready"] = told(snapshot.ready)
            known = backlog(snapshot)
            report["figures"] = Figures(
                parts={name: told(part) for name, part in snapshot.health.parts.items()},
                backlog=(known.status, known.body),
                families=figures_of([*families_of(snapshot), *self.figures()]),
            )
        return report

    def last(self, handled: int, failed: int) -> None:
        """What this process has done, before it ends."""
        over = told(Part(healthy=False, reason="has ended"))
        report = self._report(self.bus.standing())
        self.link.report(
            {**report, "ready": over, "started": (True, "", 0.0), "handled": handled, "failed": failed}
        )
