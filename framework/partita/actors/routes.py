"""Routes as actors use them: bound to a backend, and those of one topic by kind."""

from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Mapping, MutableMapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn

import attrs

from partita.actors.holds import Holds
from partita.core.batches import BatchLimits
from partita.core.errors import Unroutable
from partita.core.modes import Mode
from partita.core.ports import Flaw, RecordReader, WaryReader
from partita.core.retries import Retry

if TYPE_CHECKING:
    from partita.actors.messages import OpenMessage

Call = Callable[[object, int], Awaitable[object]]
First = Callable[[object], Awaitable[object]]
KeyOf = Callable[[object], Hashable]
Bury = Callable[["OpenMessage"], Awaitable[object]]
NOBODY = "(none)"


@attrs.frozen(eq=False)
class BoundBatch:
    """
    What makes a route one of batches.

    Args:
        limits: when a batch is handed over.
        call: takes the records of a batch, the attempt, and where to put the failed ones by their index.
    """

    limits: BatchLimits
    call: Callable[[Sequence[object], int, MutableMapping[int, BaseException]], Awaitable[object]]


@attrs.define(eq=False)
class BoundRoute:
    """
    One route, ready to be called.

    Args:
        name: the handler's name.
        call: takes the record and the attempt, returns the handler's coroutine.
        retry: what happens after a failure.
        order: "partition", "key" or "none".
        concurrency: how many calls may be unfinished at once in this process.
        key_of: the ordering key of a record; None: it enters no lane.
        bury: publishes a message without attempts left as a dead letter; None: it is parked.
        drop: a message without attempts left is dropped, counted and logged.
        holds: its calls that wait before their handler.
        queued: told of a record that must wait for others; None without tracing.
        first: the call for the first attempt, which may be the handler itself.

    Attributes:
        batch: for a batch handler, which is called with many records; None: it is called with one.
        lane_of: the key whose lane a record belongs to; None: it waits for no other message.
        unfinished: calls that are suspended, or whose message waits for its next attempt.
        waiting: messages that wait for a call of this route to end.
    """

    name: str
    call: Call
    retry: Retry
    order: str = "partition"
    concurrency: int = 64
    key_of: KeyOf = lambda record: None
    bury: "Bury | None" = None
    drop: bool = False
    holds: Holds = attrs.field(factory=Holds)
    queued: Callable[[object], None] | None = None
    first: First = attrs.field(default=attrs.Factory(lambda route: route.first_call, takes_self=True))
    batch: BoundBatch | None = attrs.field(default=None, init=False)
    lane_of: KeyOf = attrs.field(init=False, repr=False)
    unfinished: int = attrs.field(default=0, init=False)
    waiting: "deque[OpenMessage]" = attrs.field(factory=deque, init=False)

    def __attrs_post_init__(self) -> None:
        self.lane_of = self.key_of if self.order == "key" else _no_key

    def wait(self, message: "OpenMessage") -> None:
        """*message* waits for a call to end."""
        self.waiting.append(message)

    def enter(self, mode: Mode) -> None:
        """Go on in this mode; what is in hand stays as it is."""
        self.concurrency = mode.concurrency
        if self.batch is not None and mode.batch is not None:
            self.batch = attrs.evolve(self.batch, limits=mode.batch)

    def first_call(self, record: object) -> Awaitable[object]:
        """Call the handler for the first time."""
        return self.call(record, 1)


@attrs.define(eq=False, slots=False)
class TopicRoutes:
    """
    The routes of one topic by kind, resolved when a partition is assigned.

    Args:
        kinds: by kind; None is the route for all others.
        kind_header: the header that names a message's kind.
        reader: reads the backend's records.
    """

    kinds: Mapping[str | None, BoundRoute]
    kind_header: str
    reader: RecordReader

    @cached_property
    def flaw_of(self) -> "Callable[[object], Flaw | None] | None":
        """What keeps something from being a record; None: whatever arrives is one."""
        return self.reader.flaw if isinstance(self.reader, WaryReader) else None

    @cached_property
    def only(self) -> BoundRoute | None:
        """The route that takes every message, when no kind needs to be looked at."""
        return self.kinds.get(None) if len(self.kinds) == 1 else None

    def pick(self, record: object) -> BoundRoute:
        """The route of one message; for a kind that nobody handles, one that fails with Unroutable."""
        if self.only is not None:
            return self.only
        for name, value in self.reader.headers(record):
            if name == self.kind_header:
                found = self.kinds.get(value.decode("utf-8", "replace"))
                if found is not None:
                    return found
        return self.kinds.get(None) or self._nobody

    def call(self, record: object) -> Awaitable[object]:
        """Call the route of one message, for the first time."""
        return self.pick(record).first(record)

    def flawed(self, route: BoundRoute, flaw: Flaw) -> BoundRoute:
        """The route of what arrived and is no record: *route*, which its call fails in, without its lanes."""
        lost = flaw.remains is None
        return BoundRoute(
            route.name,
            route.call,
            Retry(attempts=1),
            "none",
            route.concurrency,
            bury=None if lost else route.bury,
            drop=route.drop and not lost,
        )

    @cached_property
    def _nobody(self) -> BoundRoute:
        def call(record: object, attempt: int) -> NoReturn:
            raise Unroutable(self.reader.topic(record), self.kind_header)

        # A kind that nobody handles goes where the topic's other messages go in the end.
        bury = next((each.bury for each in self.kinds.values() if each.bury is not None), None)
        return BoundRoute(NOBODY, call, Retry(attempts=1), bury=bury)


def _no_key(record: object) -> None:
    return None
