"""The oracle itself: a world where all went well passes, and each broken promise is told."""

from collections.abc import Iterable

import pytest

from partita.core.finished import Finished
from partita.core.offset_map import OffsetMap
from partita.core.ports import TopicPartition
from partita.testing import Event
from partita.testing.oracle import Oracle

AT = TopicPartition("orders", 0)
SOON, LATER = 0.1, 100.0


def saw(what: str, offset: int = -1, process: str = "a", time: float = 0.0, text: str = "") -> Event:
    """An event of the one partition; calls are of one handler, in one lane, the first attempt."""
    called = what in ("start", "done", "failed", "exhausted", "dropped")
    return Event(time, process, what, AT, offset, "handle" if called else "", "lane", int(called), text)


def judged(events: Iterable[Event], concurrency: int = 2) -> Oracle:
    """What the oracle makes of a run that ended after *events*."""
    oracle = Oracle(drain_timeout=3.0, concurrency={("", "handle"): concurrency})
    for event in events:
        oracle.see(event)
    oracle.conclude()
    return oracle


def owned(process: str = "a") -> list[Event]:
    """The partition is a process's."""
    return [saw("given", process=process), saw("assigned", process=process)]


def handled(offset: int, process: str = "a", time: float = 0.0) -> list[Event]:
    """A message is handled."""
    return [saw("start", offset, process, time), saw("done", offset, process, time)]


def committed(offset: int, process: str = "a", time: float = 0.0, text: str = "") -> list[Event]:
    """An offset is committed."""
    return [saw(what, offset, process, time, text) for what in ("commit sent", "commit stored")]


THREE = [saw("published", 2), *owned()]
MAP = OffsetMap(Finished.of([2])).encode(0)


def test_a_run_that_keeps_all_promises_passes() -> None:
    """Also one where a message is repeated because its process crashed before it could commit."""
    oracle = judged(
        [
            *THREE,
            *handled(0),
            *committed(1),
            *handled(1),
            saw("crash"),
            *owned("b"),
            *handled(1, "b"),
            *handled(2, "b"),
            *committed(3, "b"),
            saw("stopping", process="b"),
            saw("left", process="b"),
            saw("stopped", process="b"),
        ]
    )
    oracle.settle()

    assert oracle.violations == []
    assert oracle.repeats == 1
    assert oracle.parked == []


def test_what_is_left_at_the_end_is_told_message_by_message() -> None:
    """Not handled, and handled but not committed."""
    oracle = judged([*THREE, *handled(0), *committed(1), *handled(1)])
    oracle.settle()

    assert oracle.violations == [
        "not handled or not committed: orders/0@2",
        "not handled or not committed: orders/0@1",
        "not handled or not committed: orders/0@2",
    ]


def test_a_parked_message_and_those_behind_it_may_be_left() -> None:
    """But not one of which it is not known that it waits behind a parked one: it was started elsewhere."""
    parked = [saw("start", 0), saw("exhausted", 0)]
    oracle = judged([*THREE, *parked])

    assert list(oracle.unsettled()) == []
    assert oracle.parked == ["orders/0@0"]
    oracle.heal()
    assert list(oracle.unsettled())[:3] == ["orders/0@0", "orders/0@1", "orders/0@2"]


BROKEN = {
    "handled again though it was committed": [
        *[*THREE, *handled(0), *committed(1), saw("lost"), *owned("b"), saw("start", 0, "b")],
    ],
    "handled again though it was committed as finished": [
        *[*THREE, *handled(2), *committed(0, text=MAP), saw("lost"), *owned("b"), saw("start", 2, "b")],
    ],
    "started by a process that does not own the partition: 0 b": [*THREE, saw("start", 0, "b")],
    "started by a process that does not own the partition": [*THREE, saw("revoking"), saw("start", 0)],
    "called twice at once": [*THREE, saw("start", 0), saw("start", 0)],
    "started beside 0 of the same lane": [*THREE, saw("start", 0), saw("start", 1)],
    "started while a still handles 0": [*THREE, saw("start", 0), *owned("b"), saw("start", 0, "b")],
    "a call ended that never began": [*THREE, saw("failed", 0)],
    "1 was started before 0 of the same lane was finished": [*THREE, *handled(1), *handled(0)],
    "offsets are committed of messages that are not finished": [*THREE, saw("commit sent", 1)],
    "offsets are committed of messages that are not finished: map": [
        *THREE,
        saw("commit sent", 0, text=MAP),
    ],
    "[1] are done and left out of a commit": [*THREE, *handled(0), *handled(1), saw("commit sent", 1)],
    "offsets are stored by a process that does not own": [
        *[*THREE, *handled(0), saw("expelled"), saw("commit stored", 1)],
    ],
    "what was committed as finished is so no more": [
        *[*THREE, *handled(0), *committed(1), saw("commit stored", 0)],
    ],
    "a fence is not above that of a, 2": [*THREE, saw("fenced", 2), saw("fenced", 2, "b")],
    "a call still runs though its partition was given up": [
        *[*THREE, saw("start", 0), saw("revoking"), saw("revoked", time=SOON)],
    ],
    "[0] are done and not committed, though the end was clean": [
        *[*THREE, *handled(0), saw("revoking"), saw("revoked", time=SOON)],
    ],
    "[0] are done and not committed, though the end was clean: stop": [
        *[*THREE, *handled(0), saw("stopping"), saw("left", time=SOON)],
    ],
    "0 was done long before the crash and not committed": [*THREE, *handled(0), saw("crash", time=LATER)],
    "the stop took 100.0 s": [*THREE, saw("stopping"), saw("stopped", time=LATER)],
    "a call still runs though its process has stopped": [
        *[*THREE, saw("start", 0), saw("stopping"), saw("left", time=5.0), saw("stopped", time=5.0)],
    ],
}


@pytest.mark.parametrize("promise", BROKEN)
def test_a_broken_promise_is_told(promise: str) -> None:
    """With the event that broke it."""
    found = judged(BROKEN[promise]).violations

    assert len(found) == 1
    assert promise.partition(": ")[0] in found[0]


def test_more_calls_than_the_route_allows_are_told() -> None:
    """Those of one process together, whatever their partitions."""
    other = Event(0.0, "a", "start", TopicPartition("orders", 1), 0, "handle", None, 1)
    ownership = [Event(0.0, "a", what, other.at) for what in ("given", "assigned")]

    (told,) = judged([*THREE, saw("start", 0), *ownership, other], concurrency=1).violations

    assert told.startswith("more calls at once than the route allows: ")


EXCUSED = {
    "calls outlasted the drain": [
        *[*THREE, saw("start", 0), saw("revoking"), saw("revoked", time=3.5), *owned("b")],
        saw("start", 0, "b", 3.6),
    ],
    "the broker threw the process out": [
        *[*THREE, saw("start", 0), saw("expelled"), *owned("b"), saw("start", 0, "b")],
        *[saw("done", 0, "b"), saw("done", 0)],
    ],
    "no commit was taken at the end": [
        *[
            *THREE,
            *handled(0),
            saw("revoking"),
            saw("commit failed", 1, time=SOON),
            saw("revoked", time=SOON),
        ],
    ],
    "the process stood still": [
        *[*THREE, *handled(0), saw("trouble begins", time=SOON), saw("crash", time=LATER)],
    ],
    "the process stood still while it was to stop": [
        *[*THREE, saw("stopping"), saw("trouble begins"), saw("trouble ends", time=LATER)],
        saw("stopped", time=LATER),
    ],
    "a message was given up": [*THREE, saw("start", 0), saw("dropped", 0), *handled(1), *committed(2)],
    "a message is a dead letter": [
        *[*THREE, saw("start", 0), saw("exhausted", 0), saw("buried", 0), *handled(1), *committed(2)],
    ],
}


@pytest.mark.parametrize("reason", EXCUSED)
def test_what_the_guarantees_allow_is_no_broken_promise(reason: str) -> None:
    """Repeats and delays have reasons, and these are them."""
    assert judged(EXCUSED[reason]).violations == []
