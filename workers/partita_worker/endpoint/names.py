"""The figures that the endpoint adds to those of the bus: their names, labels and words, in one place."""

from collections.abc import Iterable, Mapping

import attrs

from partita_worker.endpoint.figures import Family, Sample


@attrs.frozen
class Described:
    """
    One figure.

    Args:
        kind: "counter" or "gauge".
        labels: whose each value is.
        help: what it is, with its unit.
    """

    kind: str
    labels: tuple[str, ...]
    help: str


def _gauge(labels: tuple[str, ...], told: str) -> Described:
    return Described("gauge", labels, told)


def _counter(labels: tuple[str, ...], told: str) -> Described:
    return Described("counter", labels, told)


_PLACE = ("group", "topic", "partition")
FIGURES: Mapping[str, Described] = {
    "partita_live": _gauge((), "1 when the worker should go on, else 0"),
    "partita_ready": _gauge((), "1 when the worker does its work, else 0"),
    "partita_started": _gauge((), "1 when the worker's start is over, else 0"),
    "partita_healthy": _gauge((), "1 when nothing is wrong with the worker, else 0"),
    "partita_part_unhealthy_seconds": _gauge(("part",), "seconds of being unhealthy; 0 when it is healthy"),
    "partita_event_loop_late_seconds": _gauge((), "seconds that the event loop was late by"),
    "partita_partition_state_seconds": _gauge((*_PLACE, "state"), "seconds that it has been in its state"),
    "partita_partition_unread_messages": _gauge(_PLACE, "messages at the broker that have not come yet"),
    "partita_backlog_messages": _gauge(_PLACE, "messages that the group has not handled"),
    "partita_backlog_seconds": _gauge(_PLACE, "seconds that the oldest of them has waited"),
    "partita_backlog_behind": _gauge(("group",), "1 when the oldest waits for more than 30 s"),
    "partita_backlog_scale_helps": _gauge(("group",), "1 when more workers would be faster"),
    "partita_backlog_age_seconds": _gauge((), "seconds since the backlog was looked at"),
    "partita_endpoint_refused_total": _counter((), "connections that were turned away"),
    "process_cpu_seconds_total": _counter((), "seconds of CPU time used"),
    "process_resident_memory_bytes": _gauge((), "bytes of memory in use"),
    "process_start_time_seconds": _gauge((), "when the worker started, in seconds since 1970"),
    "process_threads": _gauge((), "threads that Python knows of"),
    "process_open_fds": _gauge((), "open file descriptors, where the system tells them"),
}  # fmt: skip
Row = tuple[float, *tuple[object, ...]]


def figure(name: str, rows: Iterable[Row]) -> Family:
    """
    A figure of the table.

    Args:
        name: its name.
        rows: each value, and behind it that of each label.
    """
    told = FIGURES[name]
    samples = [
        Sample(value, {label: str(each) for label, each in zip(told.labels, labels, strict=True)})
        for value, *labels in rows
    ]
    return Family(name, told.kind, told.help, samples)
