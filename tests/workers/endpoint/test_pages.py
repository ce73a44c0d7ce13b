"""What each page tells of a snapshot."""

import json
from collections.abc import Sequence

import attrs
import pytest

from partita import Backlog, Health, Part, PartitionBacklog, PartitionState, Series, Standing, StateName
from partita_worker.endpoint.answers import Answer
from partita_worker.endpoint.backlogs import Known
from partita_worker.endpoint.figures import Family
from partita_worker.endpoint.pages import Pages
from partita_worker.endpoint.requests import Request
from partita_worker.endpoint.snapshot import Snapshot
from partita_worker.endpoint.tables import counted, stated

OK = Part(healthy=True)
WAITS = Part(healthy=False, reason="consumer g has joined, and waits", since=3.0)
SILENT = Part(healthy=False, reason="no answer from 10.0.0.7:9092 within 5 s", since=12.3456)
FINE = Snapshot(
    Standing(OK, Part(healthy=True, reason="consumer g has 4 partitions"), OK),
    Health({"broker": OK, "consumer g": OK}),
)
STATES = [
    PartitionState("g", "orders", 0, StateName.FLOWING, since=2.5, unread=7),
    PartitionState("g", "orders", 1, StateName.PARKED, "orders/1@5 in charge", since=60.0),
]

METRICS = {
    Series("partita_handler_seconds_bucket", {"group": "g", "le": "0.1"}): 3,
    Series("partita_retries_total", {}): 5,
    Series("partita_handler_seconds_sum", {"group": "g"}): 0.25,
}
WAITING = Backlog("g", True, [PartitionBacklog("orders", 0, 5, 10, 5, age=40.0)], members=1)


def page(path: str, now: Snapshot, figures: Sequence[Family] = ()) -> Answer:
    """What a path tells of *now*."""
    return Pages(lambda: now, lambda: figures).respond(Request(path))


def evolved(standing: Standing | None = None, broker: Part = OK) -> Snapshot:
    """A snapshot that is fine but for what is given."""
    return Snapshot(standing or FINE.standing, Health({"broker": broker, "consumer g": OK}), 0.25)


def test_probes_say_yes_with_200_and_no_with_503() -> None:
    """And why, in one line."""
    starting = evolved(Standing(OK, WAITS, WAITS))

    assert page("/livez", starting) == Answer(200, "ok\n")
    assert page("/readyz", FINE) == Answer(200, "ok: consumer g has 4 partitions\n")
    assert page("/readyz", starting) == Answer(503, "no: consumer g has joined, and waits, for 3 s\n")
    assert page("/startupz", starting) == page("/readyz", starting)


def test_a_broker_that_is_silent_is_unready_and_unhealthy_but_alive() -> None:
    """A restart would not help, and the report tells which part is red and since when."""
    now = evolved(broker=SILENT)
    report = json.loads(page("/health", now).body)

    assert page("/livez", now).status == page("/startupz", now).status == 200
    assert page("/readyz", now) == Answer(503, "no: broker: no answer from (address) within 5 s, for 12 s\n")
    assert page("/health", now).status == 503
    assert report["healthy"] is False
    assert report["parts"] == {
        "broker": {"healthy": False, "reason": "no answer from (address) within 5 s", "since": 12.346},
        "consumer g": {"healthy": True, "reason": "", "since": 0.0},
    }


def test_a_worker_that_only_drains_is_healthy_and_not_ready() -> None:
    """Nothing is wrong with it."""
    now = evolved(Standing(OK, Part(healthy=False, reason="draining", since=1.0), OK))

    assert page("/health", now).status == 200
    assert page("/readyz", now).status == 503
    assert json.loads(page("/health", now).body)["ready"]["reason"] == "draining"


def test_a_supervisor_that_gave_up_is_neither_alive_nor_healthy() -> None:
    """Then a restart does help."""
    now = evolved(Standing(WAITS, WAITS, OK))

    assert page("/livez", now).status == page("/health", now).status == 503


@pytest.mark.parametrize("path", ["/", "/livez/", "/LIVEZ", "/../livez", "//livez", "*", "/health/../livez"])
def test_any_other_path_is_not_there(path: str) -> None:
    """And the answer says which there are."""
    answer = page(path, FINE)

    assert answer.status == 404
    assert "/livez, /readyz, /startupz, /health" in answer.body


def test_the_figures_tell_health_states_and_what_else_there_is() -> None:
    """One line for each part and each partition."""
    more = [*stated(STATES), *counted(METRICS)]
    told = page("/metrics", evolved(broker=SILENT), more).body.splitlines()

    assert {
        "partita_live 1",
        "partita_ready 0",
        "partita_started 1",
        "partita_healthy 0",
        'partita_part_unhealthy_seconds{part="broker"} 12.3456',
        'partita_part_unhealthy_seconds{part="consumer g"} 0',
        "partita_event_loop_late_seconds 0.25",
        'partita_partition_state_seconds{group="g",topic="orders",partition="1",state="parked"} 60',
        'partita_partition_unread_messages{group="g",topic="orders",partition="0"} 7',
        "# TYPE partita_handler_seconds histogram",
        'partita_handler_seconds_bucket{group="g",le="0.1"} 3',
        'partita_handler_seconds_sum{group="g"} 0.25',
        "# TYPE partita_retries_total counter",
        "partita_retries_total 5",
    } <= set(told)
    assert len([line for line in told if line.startswith("# TYPE partita_handler_seconds")]) == 1
    assert len([line for line in told if line.startswith("partita_partition_unread_messages{")]) == 1


def test_the_backlog_is_told_as_a_whole_by_group_and_by_partition() -> None:
    """A scaler reads the first numbers, a person the rest; and how old they are."""
    now = attrs.evolve(FINE, backlogs=Known([WAITING], 3.0, ""))
    answer = page("/backlog", now)
    told = json.loads(answer.body)
    figures = page("/metrics", now).body.splitlines()

    assert answer.status == 200
    assert (told["behind"], told["lag"], told["age"], told["seconds_ago"]) == (True, 5, 40.0, 3.0)
    assert told["groups"]["g"]["scale_helps"] == "no (fewer partitions than workers)"
    assert told["groups"]["g"]["partitions"][0]["lag"] == 5
    assert {
        'partita_backlog_messages{group="g",topic="orders",partition="0"} 5',
        'partita_backlog_seconds{group="g",topic="orders",partition="0"} 40',
        'partita_backlog_behind{group="g"} 1',
        'partita_backlog_scale_helps{group="g"} 0',
        "partita_backlog_age_seconds 3",
    } <= set(figures)


@pytest.mark.parametrize("known", [Known(), Known([WAITING], 61.0, "Outage: away")])
def test_a_backlog_that_is_not_known_is_no_backlog_of_nothing(known: Known) -> None:
    """503, with what is in the way, so that no scaler takes silence for idleness."""
    answer = page("/backlog", attrs.evolve(FINE, backlogs=known))
    told = json.loads(answer.body)

    assert (answer.status, told["known"]) == (503, False)
    assert told["trouble"] == known.trouble != ""


def test_figures_are_printed_once_a_second_at_the_most() -> None:
    """A thousand requests for them cost one printing; the next second's are new."""
    clock, printed = [0.0], list[float]()

    def figures() -> list[Family]:
        printed.append(clock[0])
        return []

    pages = Pages(lambda: FINE, figures, lambda: clock[0])
    for step in range(1_000):
        clock[0] = step / 500
        assert pages.respond(Request("/metrics")).status == 200

    assert printed == [0.0, 1.0]
