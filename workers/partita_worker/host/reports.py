"""What the processes of a host report of themselves, and all of it together."""

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NotRequired, TypedDict

import attrs

from partita import Health, Part, Standing
from partita_worker.endpoint.answers import JSON, Answer
from partita_worker.endpoint.figures import Family, Sample

STALE_SECONDS = 15.0
# Of each process in its own right: any that is not makes the whole not so.
LEAST = ("partita_live", "partita_ready", "partita_started", "partita_healthy", "process_start_time_seconds")
# The same at the broker whoever asks, or the worst that there is.
MOST = ("partita_backlog_", "partita_part_unhealthy_seconds", "partita_event_loop_late_seconds")
SILENT = "has reported nothing yet"

Told = tuple[bool, str, float]
Row = tuple[float, Mapping[str, str], str]
Figure = tuple[str, str, str, Sequence[Row]]


class Figures(TypedDict):
    """What a host's HTTP endpoint tells of one process."""

    parts: Mapping[str, Told]
    backlog: tuple[int, str]
    families: Sequence[Figure]


class Report(TypedDict):
    """What one process says of itself; `open`: its bus is, `figures`: only where the host asked for them."""

    open: bool
    live: Told
    ready: Told
    started: Told
    handled: NotRequired[int]
    failed: NotRequired[int]
    figures: NotRequired[Figures]


def told(part: Part) -> Told:
    """A part as it is reported."""
    return part.healthy, part.reason, part.since


def figures_of(families: Iterable[Family]) -> Sequence[Figure]:
    """Figures as they are reported."""
    return [
        (each.name, each.kind, each.help, [(s.value, s.labels, s.suffix) for s in each.samples])
        for each in families
    ]


@attrs.define
class Reports:
    """
    The last report of each process.

    Args:
        count: how many processes there are.
        now: seconds on a clock that never goes back.
    """

    count: int
    now: Callable[[], float] = time.monotonic
    _last: dict[int, tuple[float, Report]] = attrs.field(factory=dict)
    _gone: dict[str, Figure] = attrs.field(factory=dict)
    _ended: list[int] = attrs.field(factory=lambda: [0, 0])

    def take(self, number: int, line: bytes) -> Report:
        """
        A process has reported.

        Raises:
            ValueError: it is no report.
        """
        report: Report = json.loads(line)
        self._last[number] = self.now(), report
        return report

    def ended(self, number: int) -> None:
        """A process is gone; what it has counted stays counted."""
        if number not in self._last:
            return
        _, report = self._last.pop(number)
        self._ended[0] += report.get("handled", 0)
        self._ended[1] += report.get("failed", 0)
        figures = report.get("figures")
        grown = [each for each in figures["families"] if each[1] != "gauge"] if figures else []
        self._gone = {each[0]: each for each in added([*self._gone.values(), *grown])}

    @property
    def summary(self) -> tuple[int, int]:
        """Messages handled and failed, over all processes that there were."""
        reports = [report for _, report in self._last.values()]
        return (
            self._ended[0] + sum(each.get("handled", 0) for each in reports),
            self._ended[1] + sum(each.get("failed", 0) for each in reports),
        )

    @property
    def standing(self) -> Standing:
        """Whether all are alive, ready and started."""
        return Standing(
            live=self._all(lambda report: report["live"]),
            ready=self._all(lambda report: report["ready"]),
            started=self._all(lambda report: report["started"]),
        )

    def _all(self, part_of: Callable[[Report], Told]) -> Part:
        for number in range(self.count):
            part = self._part(number, part_of)
            if not part.healthy:
                return attrs.evolve(part, reason=f"process {number}: {part.reason}")
        return Part(healthy=True)

    def _part(self, number: int, part_of: Callable[[Report], Told]) -> Part:
        if number not in self._last:
            return Part(healthy=False, reason=SILENT)
        at, report = self._last[number]
        age = self.now() - at
        if age > STALE_SECONDS:
            return Part(healthy=False, reason=f"has reported nothing for {STALE_SECONDS:g} s", since=age)
        return Part(*part_of(report))

    @property
    def health(self) -> Health:
        """The parts of all, each with its process's number before its name."""
        parts: dict[str, Part] = {}
        for number in range(self.count):
            said = self._part(number, lambda report: report["live"])
            if not said.healthy:
                parts[f"process {number}"] = said
            for name, part in self._parts(number).items():
                parts[f"process {number}: {name}"] = Part(*part)
        return Health(parts)

    def _parts(self, number: int) -> Mapping[str, Told]:
        figures = self._last[number][1].get("figures") if number in self._last else None
        return figures["parts"] if figures else {}

    @property
    def backlog(self) -> Answer:
        """What waits at the broker is the same for all: what the first says that knows it."""
        answers = [
            Answer(*figures["backlog"], JSON)
            for _, report in self._last.values()
            if (figures := report.get("figures")) is not None
        ]
        found = next((each for each in answers if each.status == 200), None)
        return found or (answers[0] if answers else Answer(503, "no process has reported yet\n"))

    @property
    def families(self) -> Iterator[Family]:
        """The figures of all processes as one, those that have ended included in what only grows."""
        reported: list[Figure] = []
        for _, report in self._last.values():
            if (figures := report.get("figures")) is not None:
                reported += figures["families"]
        for name, kind, text, rows in added([*self._gone.values(), *reported]):
            yield Family(name, kind, text, [Sample(*row) for row in rows])


def added(figures: Collection[Figure]) -> Sequence[Figure]:
    """Figures of several processes as one: added up, but for those that are of each by itself."""
    texts: dict[str, tuple[str, str]] = {}
    rows: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for name, kind, text, given in figures:
        texts[name] = kind, text
        so_far = rows.setdefault(name, {})
        for value, labels, suffix in given:
            at = suffix, tuple(labels.items())
            so_far[at] = _together(name, so_far[at], value) if at in so_far else value
    return [
        (name, *texts[name], [(value, dict(labels), suffix) for (suffix, labels), value in found.items()])
        for name, found in rows.items()
    ]


def _together(name: str, one: float, other: float) -> float:
    if name in LEAST:
        return min(one, other)
    return max(one, other) if name.startswith(MOST) else one + other
