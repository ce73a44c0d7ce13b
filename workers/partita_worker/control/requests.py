"""What may be asked of a worker, and what it answers: how it is, and what somebody does to a partition."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict

import attrs

from partita import Closed, EventBus, Part
from partita_worker.control.server import Answer, Request
from partita_worker.endpoint.addresses import without_addresses

# Of each partition, beside its state: the figures of `bus.metrics()` and what they are called here.
FIGURES = {
    "partita_unfinished_messages": "unfinished",
    "partita_parked_messages": "parked",
    "partita_handled_messages_total": "handled",
    "partita_failed_messages_total": "failed",
    "partita_retries_total": "retries",
}


class PartitionRow(TypedDict):
    """One partition."""

    topic: str
    partition: int
    state: str
    detail: str
    since: float
    unread: int | None
    figures: Mapping[str, float]


class ConsumerRow(TypedDict):
    """One consumer, with its partitions."""

    group: str
    restarts: float
    partitions: Sequence[PartitionRow]


class StatusRow(TypedDict):
    """One worker."""

    pid: int
    process: int | None
    live: tuple[bool, str]
    ready: tuple[bool, str]
    consumers: Sequence[ConsumerRow]


@attrs.frozen
class Requests:
    """
    Answers for one bus.

    Args:
        bus: what runs.
        process: which of a host's processes this is; None: of none.
    """

    bus: EventBus
    process: int | None = None

    def answer(self, request: Request) -> Answer:
        """
        Do what is asked.

        Raises:
            LookupError: what is named is not there.
            ValueError: the request cannot be understood.
        """
        asked = request.get("do")
        if asked == "status":
            return {"status": self.status()}
        known: Mapping[object, Callable[[str, int, int | None], Answer]] = {
            "pause": self._pause,
            "resume": self._resume,
            "skip": self._skip,
        }
        if asked not in known:
            raise ValueError(
                f"there is nothing like {asked!r}; there are status, {', '.join(map(str, known))}"
            )
        topic, partition, offset = request.get("topic"), request.get("partition"), request.get("offset")
        if not (isinstance(topic, str) and isinstance(partition, int) and isinstance(offset, int | None)):
            raise ValueError("name a topic, the number of a partition, and an offset where one is needed")
        try:
            return known[asked](topic, partition, offset)
        except Closed:
            raise LookupError("the worker is not connected yet, or is ending") from None

    def _pause(self, topic: str, partition: int, offset: int | None) -> Answer:
        self.bus.pause(topic, partition)
        return {"done": f"paused {topic}/{partition}"}

    def _resume(self, topic: str, partition: int, offset: int | None) -> Answer:
        tried = self.bus.resume(topic, partition, offset)
        return {"done": f"resumed {topic}/{partition}, {tried} parked tried again"}

    def _skip(self, topic: str, partition: int, offset: int | None) -> Answer:
        if offset is None:
            raise ValueError("name the offset of the message that is to be given up")
        return {"done": f"gave up {self.bus.skip(topic, partition, offset)}"}

    def status(self) -> StatusRow:
        """What runs, from what is known without asking the broker."""
        standing = self.bus.standing()
        return StatusRow(
            pid=os.getpid(),
            process=self.process,
            live=_told(standing.live),
            ready=_told(standing.ready),
            consumers=self._consumers(),
        )

    def _consumers(self) -> Sequence[ConsumerRow]:
        figures: dict[tuple[str, str, str], dict[str, float]] = {}
        restarts: dict[str, float] = {}
        for series, value in self.bus.metrics().items():
            labels = series.labels
            if series.name in FIGURES:
                at = labels["group"], labels["topic"], labels["partition"]
                figures.setdefault(at, {})[FIGURES[series.name]] = value
            elif series.name == "partita_restarts_total":
                restarts[labels["group"]] = value
        try:
            states = self.bus.states()
        except Closed:
            states = ()
        rows: dict[str, list[PartitionRow]] = {group: [] for group in restarts}
        for each in states:
            rows.setdefault(each.group, []).append(
                PartitionRow(
                    topic=each.topic,
                    partition=each.partition,
                    state=each.name.value,
                    detail=without_addresses(each.detail),
                    since=round(each.since, 1),
                    unread=each.unread,
                    figures=figures.get((each.group, each.topic, str(each.partition)), {}),
                )
            )
        return [
            ConsumerRow(group=group, restarts=restarts.get(group, 0), partitions=found)
            for group, found in sorted(rows.items())
        ]


def _told(part: Part) -> tuple[bool, str]:
    return part.healthy, without_addresses(part.reason)
