"""The status of a worker as people read it: a tree of lines."""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from partita_worker.control.requests import ConsumerRow, PartitionRow, StatusRow

Handled = Mapping[tuple[int, str, str, int], float]


def handled_in(workers: Sequence[StatusRow]) -> Handled:
    """Messages handled so far, of each partition of each process."""
    return {
        (worker["pid"], consumer["group"], row["topic"], row["partition"]): row["figures"].get("handled", 0)
        for worker in workers
        for consumer in worker["consumers"]
        for row in consumer["partitions"]
    }


def rates(before: Handled, now: Handled, seconds: float) -> Handled:
    """Messages a second, of partitions that were there before as well."""
    return {at: (count - before[at]) / seconds for at, count in now.items() if at in before}


def tree(workers: Sequence[StatusRow], rate: Handled | None = None) -> Iterator[str]:
    """The lines."""
    for worker in workers:
        number = "" if worker["process"] is None else f" {worker['process']}"
        yield f"worker{number}, process {worker['pid']}: {_standing(worker)}"
        for index, consumer in enumerate(worker["consumers"]):
            last = index == len(worker["consumers"]) - 1
            yield f"{'└─' if last else '├─'} consumer {consumer['group']}{_restarts(consumer)}"
            yield from _partitions(worker["pid"], consumer, "   " if last else "│  ", rate)


def _standing(worker: StatusRow) -> str:
    (live, dead), (ready, reason) = worker["live"], worker["ready"]
    if not live:
        return f"NOT ALIVE: {dead}"
    return f"ready{f' ({reason})' if reason else ''}" if ready else f"not ready: {reason}"


def _restarts(consumer: ConsumerRow) -> str:
    return f", {consumer['restarts']:.0f} restarts" if consumer["restarts"] else ""


def _partitions(pid: int, consumer: ConsumerRow, lead: str, rate: Handled | None) -> Iterator[str]:
    rows = consumer["partitions"]
    width = max((len(f"{each['topic']}/{each['partition']}") for each in rows), default=0)
    for index, row in enumerate(rows):
        branch = "└─" if index == len(rows) - 1 else "├─"
        at = (pid, consumer["group"], row["topic"], row["partition"])
        speed = "" if rate is None else f"{rate.get(at, 0.0):8.1f}/s  "
        place = f"{row['topic']}/{row['partition']}".ljust(width)
        yield f"{lead}{branch} {place}  {speed}{_numbers(row)}  {_state(row)}"


def _numbers(row: PartitionRow) -> str:
    figures = row["figures"]
    unread = "?" if row["unread"] is None else row["unread"]
    told = [f"unread {unread}", f"unfinished {figures.get('unfinished', 0):.0f}"]
    told.append(f"handled {figures.get('handled', 0):.0f}")
    told += [f"{name} {figures[name]:.0f}" for name in ("failed", "retries", "parked") if figures.get(name)]
    return ", ".join(told)


def _state(row: PartitionRow) -> str:
    detail = f" ({row['detail']})" if row["detail"] else ""
    return f"{row['state']}{detail} for {row['since']:.0f} s"


def status_of(answer: Mapping[str, object]) -> StatusRow:
    """What a worker answered; it is one of ours, as it says so in its own words."""
    return cast("StatusRow", answer["status"])
