"""What happens in a simulation, as it is seen from the handlers and from the broker."""

from collections.abc import Callable, Hashable, Iterator

import attrs

from partita.core.ports import TopicPartition


@attrs.frozen
class Event:
    """
    One thing that happened.

    Args:
        time: virtual seconds.
        process: the name of the process that it happened to.
        what: "start", "done", "failed", "exhausted" or "dropped" of a handler's call; "published",
            "unroutable", "buried", "given", "fenced", "assigned", "revoking", "revoked", "lost", "expelled",
            "left", "commit sent", "commit stored" or "commit failed" at the broker; "crash", "stopping",
            "stopped", "trouble begins", "trouble ends" or "fault" of the process.
        at: the partition, if it is about one.
        offset: of the message, or the one that is committed.
        handler: the name of the handler that is called.
        lane: what the message is ordered by; None: by nothing.
        attempt: the number of the call, from 1.
        text: an error, the metadata of a commit, or the name of a fault.
        group: the consumer group, if it is about one.
    """

    time: float
    process: str
    what: str
    at: TopicPartition | None = None
    offset: int = -1
    handler: str = ""
    lane: Hashable = None
    attempt: int = 0
    text: str = ""
    group: str = ""

    def __str__(self) -> str:
        place = "" if self.at is None else f" {self.at}" + (f"@{self.offset}" if self.offset >= 0 else "")
        call = f" {self.handler}, attempt {self.attempt}" if self.handler else ""
        return f"{self.time:9.4f} {self.process:10} {self.what}{place}{call}{self.text and f': {self.text}'}"


class Log:
    """
    The events of one simulation.

    Args:
        clock: virtual seconds.
        see: is told each event.
    """

    def __init__(self, clock: Callable[[], float], see: Callable[[Event], None]) -> None:
        self.events: list[Event] = []
        self._clock, self._see = clock, see
        self._open = True

    def note(self, event: Event) -> None:
        """Something happened, now."""
        if self._open:
            told = attrs.evolve(event, time=self._clock())
            self.events.append(told)
            self._see(told)

    def close(self) -> None:
        """What happens from now on is no part of the simulation."""
        self._open = False

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)
