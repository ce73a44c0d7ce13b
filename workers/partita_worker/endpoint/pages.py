"""The pages: which path tells what. Each is made from one snapshot and asks nobody."""

import json
from collections.abc import Callable, Iterable, Mapping

from partita import Part
from partita_worker.endpoint.addresses import without_addresses
from partita_worker.endpoint.answers import JSON, Answer, refusal
from partita_worker.endpoint.figures import KIND, Family, exposition
from partita_worker.endpoint.requests import Request
from partita_worker.endpoint.snapshot import Snapshot
from partita_worker.endpoint.tables import families_of


class Pages:
    """
    Answers requests.

    Args:
        look: what is known now.
        figures: further figures for `/metrics`.
    """

    def __init__(self, look: Callable[[], Snapshot], figures: Callable[[], Iterable[Family]]) -> None:
        self._look, self._figures = look, figures
        self._pages: Mapping[str, Callable[[Snapshot], Answer]] = {
            "/livez": lambda now: probed(now.live),
            "/readyz": lambda now: probed(now.ready),
            "/startupz": lambda now: probed(now.started),
            "/health": report,
            "/metrics": self._metrics,
        }

    def respond(self, request: Request) -> Answer:
        """The page at a path."""
        page = self._pages.get(request.path)
        if page is None:
            return refusal(404, f"there is nothing here; there are {', '.join(self._pages)}")
        return page(self._look())

    def _metrics(self, now: Snapshot) -> Answer:
        return Answer(200, exposition([*families_of(now), *self._figures()]), KIND)


def probed(part: Part) -> Answer:
    """Yes or no by the status, and why."""
    reason = without_addresses(part.reason)
    if part.healthy:
        return Answer(200, f"ok: {reason}\n" if reason else "ok\n")
    return Answer(503, f"no: {reason}, for {part.since:.0f} s\n")


def report(now: Snapshot) -> Answer:
    """Everything that is known of the health, each part by its name."""
    told = {
        "healthy": now.healthy,
        "live": _told(now.live),
        "ready": _told(now.ready),
        "started": _told(now.started),
        "parts": {name: _told(part) for name, part in now.health.parts.items()},
    }
    return Answer(200 if now.healthy else 503, json.dumps(told, indent=2) + "\n", JSON)


def _told(part: Part) -> Mapping[str, object]:
    return {
        "healthy": part.healthy,
        "reason": without_addresses(part.reason),
        "since": round(part.since, 3),
    }
