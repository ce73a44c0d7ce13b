"""What handlers say about themselves: one line when a call starts and one when it is done."""

import os
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Set
from pathlib import Path

import attrs

from partita import Message

Handler = Callable[[Message], Awaitable[None]]


@attrs.frozen
class Event:
    """
    One line of a log.

    Args:
        name: "start" or "done".
        worker: whose handler.
        at: nanoseconds on the machine's monotonic clock, which all its processes share.
        partition: where the message is.
        offset: where the message is.
        key: its key as text; "" without one.
    """

    name: str
    worker: str
    at: int
    partition: int
    offset: int
    key: str

    @property
    def place(self) -> tuple[int, int]:
        """Partition and offset."""
        return self.partition, self.offset

    def line(self) -> str:
        """The event as a line of a file."""
        return f"{self.name} {self.worker} {self.at} {self.partition} {self.offset} {self.key}\n"

    @classmethod
    def of(cls, line: str) -> "Event":
        """The event of a line."""
        name, worker, at, partition, offset, key = line.rstrip("\n").split(" ")
        return cls(name, worker, int(at), int(partition), int(offset), key)

    @classmethod
    def now(cls, name: str, worker: str, message: Message) -> "Event":
        """What happens at this moment to a message."""
        key = message.key.decode() if message.key else ""
        return cls(name, worker, time.monotonic_ns(), message.partition, message.offset, key)


class EventLog:
    """
    The events of all handlers of one test, of this process and of others.

    Args:
        folder: where the workers of other processes write, a file each; None: there are none.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._known: list[Event] = []
        self._places: defaultdict[tuple[str, str | None], set[tuple[int, int]]] = defaultdict(set)
        self._read: dict[Path, int] = {}

    def logged(self, worker: str, work: Handler) -> Handler:
        """A handler that does *work* and says so in this log."""

        async def handle(message: Message) -> None:
            self._take(Event.now("start", worker, message))
            await work(message)
            self._take(Event.now("done", worker, message))

        return handle

    def _take(self, event: Event) -> None:
        self._known.append(event)
        self._places[event.name, event.worker].add(event.place)
        self._places[event.name, None].add(event.place)

    def _catch_up(self) -> None:
        """Read the whole lines that other processes have written since the last time."""
        for path in self._folder.glob("events.*") if self._folder else ():
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                text = file.read()
            whole = text[: text.rfind(b"\n") + 1]
            self._read[path] = self._read.get(path, 0) + len(whole)
            for line in whole.decode().splitlines():
                self._take(Event.of(line))

    @property
    def events(self) -> list[Event]:
        """All so far, in the order of time."""
        self._catch_up()
        return sorted(self._known, key=lambda each: each.at)

    def count(self, name: str = "done", worker: str | None = None) -> int:
        """How many different messages have started, or are done: anywhere, or in one worker."""
        self._catch_up()
        return len(self._places[name, worker])

    @property
    def workers(self) -> set[str]:
        """Whose handlers have started."""
        self._catch_up()
        return {worker for name, worker in list(self._places) if name == "start" and worker is not None}

    def fresh(self, worker: str, old: Set[tuple[int, int]]) -> bool:
        """Whether a worker has done a message that is not among the *old* ones."""
        self._catch_up()
        return bool(self._places["done", worker] - old)


class FileLog:
    """
    What a worker in a process of its own writes: a line is whole, or absent, also after `kill -9`.

    Args:
        folder: where.
        worker: its name; default: its process id.
    """

    def __init__(self, folder: str, worker: str = "") -> None:
        self._worker = worker or str(os.getpid())
        path = Path(folder) / f"events.{self._worker}"
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(self, name: str, message: Message) -> None:
        """Write one event, in one call."""
        os.write(self._file, Event.now(name, self._worker, message).line().encode())


def places(events: Iterable[Event], name: str) -> list[tuple[int, int]]:
    """Where the events of one name were, repeated ones too."""
    return [each.place for each in events if each.name == name]
