"""A router in a simulation: its handlers meet faults, and each of their calls is noted."""

import asyncio
import inspect
from collections.abc import Callable, Hashable
from contextvars import ContextVar
from random import Random

import attrs

from partita.batch import Batch
from partita.core.health import describe
from partita.core.ports import RecordReader, TopicPartition
from partita.core.retries import Exhausted, after_failure
from partita.handlers import Call
from partita.message import Message
from partita.router import Route, Router
from partita.testing.events import Event
from partita.testing.history import BATCH
from partita.testing.process import in_process
from partita.testing.wire import Wire

SLOWEST_SECONDS = 5.0
HIT = 0.3
WHOLE_PARTITION = "partition"

WIRE: ContextVar[Wire] = ContextVar("wire")


class Beset(Router):
    """
    The routes of a router, each handler beset by faults. A plain `def` is called on the loop.

    Args:
        router: the router under test.
        group: of the routes that name none.
    """

    def __init__(self, router: Router, group: str) -> None:
        super().__init__()
        self.group = group
        self.slow = self.failing = 0
        self._beset = tuple(map(self._besiege, router.routes))

    @property
    def routes(self) -> tuple[Route, ...]:
        """Those of the router under test."""
        return self._beset

    def heal(self) -> None:
        """No fault meets a handler from now on."""
        self.slow = self.failing = 0

    def _besiege(self, route: Route) -> Route:
        plan = attrs.evolve(route.plan, function=self._around(route), blocking=False)
        return attrs.evolve(route, plan=plan, settings=attrs.evolve(route.settings, run=None))

    def _around(self, route: Route) -> Callable[..., object]:
        function = route.plan.function

        async def beset(*args: object, **kwargs: object) -> object:
            wire = WIRE.get()
            for each in (*args, *kwargs.values()):
                if isinstance(each, Batch):
                    self._begin(wire, route, each)
            fails = await self._before(wire)
            if wire.process.buried:
                raise asyncio.CancelledError
            result = function(*args, **kwargs)
            if inspect.isawaitable(result):
                result = await in_process(result, wire.process)
            if fails:
                raise self._failure(wire, "after")
            return result

        return beset

    def _begin(self, wire: Wire, route: Route, batch: Batch) -> None:
        """What watches the calls of single messages is told of a batch when it has ended."""
        group = route.settings.group or self.group
        for each in batch:
            at = TopicPartition(each.topic, each.partition)
            event = Event(0.0, wire.process.name, "start", at, each.offset, route.plan.name, BATCH)
            wire.log.note(attrs.evolve(event, group=group))

    async def _before(self, wire: Wire) -> bool:
        """Slow down or fail; True: fail after the handler."""
        await pause(wire.chance)
        if self.slow and wire.chance.random() < HIT:
            wire.note("fault", text="slow handler")
            await asyncio.sleep(wire.chance.random() * SLOWEST_SECONDS)
        if self.failing and wire.chance.random() < HIT:
            if wire.chance.random() < 0.5:
                raise self._failure(wire, "before")
            return True
        return False

    @staticmethod
    def _failure(wire: Wire, when: str) -> ConnectionError:
        wire.note("fault", text="failing handler")
        return ConnectionError(f"simulated: failed {when} the handler")


async def pause(chance: Random) -> None:
    """A marked point: others may run here, or not."""
    if chance.random() < 0.25:
        await asyncio.sleep(0)


@attrs.frozen(eq=False)
class Watching:
    """
    Notes each call of the handlers of one process.

    Args:
        wire: the process's connection.
        group: of the routes that name none.
        reader: reads records.
    """

    wire: Wire
    group: str
    reader: RecordReader

    def __call__(self, call: Call, route: Route) -> Call:
        """Around *call*, outside of everything."""

        async def watched(record: object, attempt: int) -> object:
            event = self._event(record, route, attempt)
            if route.batch is None:
                self._note(event, "start")
            try:
                result = await call(record, attempt)
            except BaseException as error:
                # Noted and passed on: what becomes of the message is the pump's to decide.
                self._note(event, _end(route, attempt, error), describe(error))
                raise
            self._note(event, "done")
            return result

        return watched

    def _note(self, event: Event, what: str, text: str = "") -> None:
        self.wire.log.note(attrs.evolve(event, what=what, text=text))

    def _event(self, record: object, route: Route, attempt: int) -> Event:
        reader = self.reader
        at = TopicPartition(reader.topic(record), reader.partition(record))
        lane = _lane(route, Message(record, reader))
        if route.batch is not None:
            lane, attempt = BATCH, 0
        process, group = self.wire.process.name, route.settings.group or self.group
        event = Event(0.0, process, "", at, reader.offset(record), route.plan.name, lane, attempt)
        return attrs.evolve(event, group=group)


def _lane(route: Route, message: Message) -> Hashable:
    """What a message is ordered by, read from the documentation of the options."""
    settings = route.settings
    if settings.order != "key":
        return WHOLE_PARTITION if settings.order == "partition" else None
    try:
        key = message.key if settings.key_from is None else settings.key_from(message)
    # The engine finds the same, and fails the message for it; no other message is of that lane.
    except Exception as error:  # noqa: BLE001
        return error
    return "no key" if key is None and settings.null_key == "serial" else key


def _end(route: Route, attempt: int, error: BaseException) -> str:
    settings = route.settings
    if isinstance(error, SystemExit | KeyboardInterrupt | asyncio.CancelledError):
        return "failed"
    if not isinstance(after_failure(settings.retry, attempt, error, 0.5), Exhausted):
        return "failed"
    dropped = settings.on_exhausted == "drop" and settings.dead_letter is None
    return "dropped" if dropped else "exhausted"
