"""What the processes of a host report, put together."""

import json

from partita import Part
from partita_worker.endpoint.figures import Family, Sample
from partita_worker.endpoint.requests import Request
from partita_worker.host.pages import HostPages
from partita_worker.host.reports import Figures, Report, Reports, figures_of, told

ORDERS = {"topic": "orders"}
GOOD = told(Part(healthy=True))


def report(handled: int = 0, *, red: str = "", ready: Part | None = None, lag: float = 0.0) -> bytes:
    """A report with a counter, a gauge and a part."""
    part = Part(healthy=not red, reason=red, since=3.0 if red else 0.0)
    families = [
        Family(
            "partita_handled_messages_total", "counter", "handled", [Sample(handled, {"topic": "orders"})]
        ),
        Family("partita_unfinished_messages", "gauge", "open", [Sample(2, {"topic": "orders"})]),
        Family("partita_event_loop_late_seconds", "gauge", "late", [Sample(lag)]),
        Family("process_start_time_seconds", "gauge", "began", [Sample(100 + lag)]),
        Family("partita_live", "gauge", "live", [Sample(1)]),
    ]
    figures = Figures(
        parts={"broker": told(part)}, backlog=(200, '{"lag": 7}'), families=figures_of(families)
    )
    made = Report(
        open=True,
        live=GOOD,
        ready=GOOD if ready is None else told(ready),
        started=GOOD,
        handled=handled,
        failed=1,
        figures=figures,
    )
    return json.dumps(made).encode()


def page(reports: Reports, path: str) -> tuple[int, str]:
    """One page of the host's endpoint."""
    answer = HostPages(reports).respond(Request(path, head=False))
    return answer.status, answer.body


class Clock:
    """Seconds, as a test has them."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def test_numbers_are_added_up_and_the_worst_is_told_where_adding_makes_no_sense() -> None:
    """Messages of all, the latest loop, the earliest start."""
    reports = Reports(2, Clock())
    reports.take(0, report(10, lag=0.5))
    reports.take(1, report(5, lag=0.1))

    status, body = page(reports, "/metrics")

    lines = [line for line in body.splitlines() if not line.startswith("#")]
    assert status == 200
    assert 'partita_handled_messages_total{topic="orders"} 15' in lines
    assert 'partita_unfinished_messages{topic="orders"} 4' in lines
    assert "partita_event_loop_late_seconds 0.5" in lines
    assert "process_start_time_seconds 100.1" in lines
    assert lines.count("partita_live 1") == 1
    assert reports.summary == (15, 2)


def test_what_a_process_has_counted_stays_counted_when_it_has_ended() -> None:
    """A counter never shrinks, and a gauge is of those that are there."""
    reports = Reports(2, Clock())
    reports.take(0, report(10))
    reports.ended(0)
    reports.take(0, report(1))
    reports.ended(0)
    reports.take(0, report(2))

    _, body = page(reports, "/metrics")

    assert 'partita_handled_messages_total{topic="orders"} 13' in body
    assert 'partita_unfinished_messages{topic="orders"} 2' in body
    assert reports.summary == (13, 3)


def test_one_that_is_not_ready_makes_the_whole_not_so_with_its_number() -> None:
    """And the whole is not healthy when a part of any is not."""
    reports = Reports(2, Clock())
    reports.take(0, report())
    reports.take(1, report(red="is away", ready=Part(healthy=False, reason="waits for its share", since=2.0)))

    assert page(reports, "/readyz") == (503, "no: process 1: waits for its share, for 2 s\n")
    assert page(reports, "/livez") == (200, "ok\n")
    status, body = page(reports, "/health")
    assert status == 503
    assert json.loads(body)["parts"]["process 1: broker"]["reason"] == "is away"


def test_a_process_that_is_silent_is_not_alive() -> None:
    """Before its first report, and 15 seconds after its last."""
    clock = Clock()
    reports = Reports(2, clock)
    reports.take(0, report())

    assert page(reports, "/livez") == (503, "no: process 1: has reported nothing yet, for 0 s\n")
    reports.take(1, report())
    clock.now = 16.0
    assert page(reports, "/livez") == (503, "no: process 0: has reported nothing for 15 s, for 16 s\n")
    assert json.loads(page(reports, "/health")[1])["parts"]["process 0"]["healthy"] is False


def test_what_waits_at_the_broker_is_told_once() -> None:
    """Each process sees the whole group, so nothing is added up."""
    reports = Reports(2, Clock())

    assert page(reports, "/backlog")[0] == 503
    reports.take(0, report())
    reports.take(1, report())
    assert page(reports, "/backlog") == (200, '{"lag": 7}')
