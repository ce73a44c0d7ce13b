"""The pages: which path tells what. Each is made from one snapshot and asks nobody."""

import json
import time
from collections.abc import Callable, Iterable, Mapping

import attrs

from partita import Backlog, Part
from partita_worker.endpoint.addresses import without_addresses
from partita_worker.endpoint.answers import JSON, Answer, refusal
from partita_worker.endpoint.figures import KIND, Family, exposition
from partita_worker.endpoint.requests import Request
from partita_worker.endpoint.snapshot import Snapshot
from partita_worker.endpoint.tables import families_of

KEPT_SECONDS = 1.0


class Pages:
    """
    Answers requests.

    Args:
        look: what is known now.
        figures: further figures for `/metrics`.
        clock: seconds on a clock that never goes back.
    """

    def __init__(
        self,
        look: Callable[[], Snapshot],
        figures: Callable[[], Iterable[Family]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look, self._figures, self._clock = look, figures, clock
        self._printed: tuple[float, Answer] | None = None
        self._pages: Mapping[str, Callable[[Snapshot], Answer]] = {
            "/livez": lambda now: probed(now.live),
            "/readyz": lambda now: probed(now.ready),
            "/startupz": lambda now: probed(now.started),
            "/health": report,
            "/backlog": backlog,
            "/metrics": self._metrics,
        }

    def respond(self, request: Request) -> Answer:
        """The page at a path."""
        page = self._pages.get(request.path)
        if page is None:
            return refusal(404, f"there is nothing here; there are {', '.join(self._pages)}")
        return page(self._look())

    def _metrics(self, now: Snapshot) -> Answer:
        # Long where there are many partitions: whoever asks again and again must not keep the worker busy.
        if self._printed is None or self._clock() - self._printed[0] >= KEPT_SECONDS:
            text = exposition([*families_of(now), *self._figures()])
            self._printed = self._clock(), Answer(200, text, KIND)
        return self._printed[1]


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


def backlog(now: Snapshot) -> Answer:
    """What waits for the worker's groups: all of it together, each group, and each partition."""
    known = now.backlogs
    told = {
        "known": known.fresh,
        "seconds_ago": known.age,
        "trouble": known.trouble,
        "behind": any(each.behind for each in known.backlogs),
        "lag": sum(each.lag for each in known.backlogs),
        "age": max((each.age for each in known.backlogs), default=0.0),
        "groups": {each.group: _waits(each) for each in known.backlogs},
    }
    return Answer(200 if known.fresh else 503, json.dumps(told, indent=2) + "\n", JSON)


def _waits(group: Backlog) -> Mapping[str, object]:
    names = ("behind", "lag", "age", "members", "rate_in", "rate_out", "time_to_drain", "scale_helps")
    told = {name: getattr(group, name) for name in names}
    return {**told, "partitions": [attrs.asdict(each) for each in group.partitions]}


def _told(part: Part) -> Mapping[str, object]:
    return {
        "healthy": part.healthy,
        "reason": without_addresses(part.reason),
        "since": round(part.since, 3),
    }
