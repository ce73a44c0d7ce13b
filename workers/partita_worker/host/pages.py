"""The pages of a host: those of a worker, made from what its processes reported."""

from collections.abc import Iterator

from partita_worker.endpoint.answers import Answer
from partita_worker.endpoint.figures import KIND, Family, exposition
from partita_worker.endpoint.pages import Pages
from partita_worker.endpoint.requests import Request
from partita_worker.endpoint.snapshot import Snapshot
from partita_worker.endpoint.tables import families_of
from partita_worker.host.reports import Reports

# Of all processes together, those included that are silent and so report no figure.
TOGETHER = (
    "partita_live",
    "partita_ready",
    "partita_started",
    "partita_healthy",
    "partita_part_unhealthy_seconds",
)


class HostPages(Pages):
    """
    Answers requests for all processes of a host at once.

    Args:
        reports: what they said.
    """

    def __init__(self, reports: Reports) -> None:
        super().__init__(lambda: Snapshot(reports.standing, reports.health), tuple)
        self._reports = reports

    def respond(self, request: Request) -> Answer:
        """The page at a path."""
        if request.path == "/backlog":
            return self._reports.backlog
        if request.path == "/metrics":
            return Answer(200, exposition(self._families()), KIND)
        return super().respond(request)

    def _families(self) -> Iterator[Family]:
        together = families_of(Snapshot(self._reports.standing, self._reports.health))
        yield from (each for each in together if each.name in TOGETHER)
        yield from (each for each in self._reports.families if each.name not in TOGETHER)
