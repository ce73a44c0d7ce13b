"""From a snapshot to the figures of `/metrics`."""

from collections.abc import Iterator

from partita_worker.endpoint.figures import Family, Sample
from partita_worker.endpoint.snapshot import Snapshot


def families_of(now: Snapshot) -> Iterator[Family]:
    """Health, and what each partition is doing."""
    for name, part, told in (
        ("live", now.live, "Whether the worker should go on."),
        ("ready", now.ready, "Whether the worker does its work."),
        ("started", now.started, "Whether the worker's start is over."),
    ):
        yield _gauge(f"partita_{name}", told, Sample(part.healthy))
    yield _gauge("partita_healthy", "Whether nothing is wrong with the worker.", Sample(now.healthy))
    yield _gauge(
        "partita_part_unhealthy_seconds",
        "For how long a part has been unhealthy, in seconds; 0: it is healthy.",
        # A part that is red for no time yet is red all the same.
        *(
            Sample(0.0 if part.healthy else max(part.since, 0.001), {"part": name})
            for name, part in now.health.parts.items()
        ),
    )
    yield _gauge(
        "partita_event_loop_late_seconds",
        "By how much the event loop was late at the last look, in seconds.",
        Sample(now.lag),
    )
    yield from _partitions(now)


def _partitions(now: Snapshot) -> Iterator[Family]:
    places = [
        (each, {"group": each.group, "topic": each.topic, "partition": str(each.partition)})
        for each in now.states
    ]
    yield _gauge(
        "partita_partition_state_seconds",
        "For how long a partition has been in its state, in seconds; there is one line for each partition.",
        *(Sample(each.since, {**place, "state": each.name.value}) for each, place in places),
    )
    yield _gauge(
        "partita_partition_unread_messages",
        "Messages at the broker that have not come yet, where that is known.",
        *(Sample(each.unread, place) for each, place in places if each.unread is not None),
    )


def _gauge(name: str, told: str, *samples: Sample) -> Family:
    return Family(name, "gauge", told, samples)
