"""
The detector: looks at a group's backlog every few seconds, switches routes to their other mode while they
are behind, and tells who wants to know.

It belongs to a subscription and never makes it fail: a look that fails is told once and tried again, and
while nothing is known nothing changes. What counts as behind is decided in `core.backlog`.
"""

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

import anyio
import attrs

from partita.actors.consumer import Consumer
from partita.actors.holding import held_by
from partita.actors.routes import BoundRoute
from partita.core.backlog import Backlog, BacklogWatch
from partita.core.backlog_history import GroupHistory
from partita.core.extents import BacklogQuestion, GroupExtents
from partita.core.health import describe
from partita.core.modes import Mode

LOOK_SECONDS = 5.0
# Looks within the shortest age that is too much, and the least time between two.
LOOKS, LEAST_SECONDS = 5, 0.1
# A look costs a fraction of a millisecond for each partition; so it takes less than a hundredth of a core.
PARTITION_SECONDS = 0.05
CLOSE_SECONDS = 1.0
Ask = Callable[[BacklogQuestion], Awaitable[GroupExtents]]
Listener = Callable[[Backlog], object]
_log = logging.getLogger("partita.backlog")


@attrs.frozen(eq=False)
class Watched:
    """
    One route whose backlog is watched.

    Args:
        route: the route.
        reads: whether it reads a topic.
        watch: judges its backlog.
        usual: its mode while it is not behind.
        behind: its mode while it is; None: the same.
        listeners: who is told.
    """

    route: BoundRoute
    reads: Callable[[str], bool]
    watch: BacklogWatch
    usual: Mode
    behind: Mode | None = None
    listeners: Sequence[Listener] = ()


class Teller:
    """
    Calls one listener, one call at a time; while one runs only the latest news waits.

    Args:
        listener: who is told.
        routes: those that it is told of.
    """

    def __init__(self, listener: Listener, routes: Sequence[Watched]) -> None:
        self._listener, self._routes = listener, routes
        self._behind = False
        self._news: Backlog | None = None
        self._task: asyncio.Task[None] | None = None
        self._failed = ""

    def look(self, backlog: Backlog) -> None:
        """Tell if its routes, taken together, have gone behind or caught up."""
        behind = any(each.watch.behind for each in self._routes)
        if behind != self._behind:
            self._behind = behind
            part = backlog.only(lambda topic: any(each.reads(topic) for each in self._routes))
            self._news = attrs.evolve(part, behind=behind)
            if self._task is None or self._task.done():
                self._task = asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        while self._news is not None:
            news, self._news = self._news, None
            try:
                result = self._listener(news)
                if inspect.isawaitable(result):
                    await result
            except asyncio.CancelledError:
                raise  # by `close`: nothing of ours is half done, and the listener's own affairs are its own
            # A barrier: whatever a listener raises, SystemExit too, harms neither the loop nor the handlers.
            except BaseException as error:  # noqa: BLE001
                self._note(error)

    def _note(self, error: BaseException) -> None:
        told = describe(error)
        if told != self._failed:
            self._failed = told
            _log.error("a listener to backlogs failed: %s", told)

    async def close(self) -> None:
        """End a call that still runs."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])


class BacklogMonitor:
    """
    The detector of one group.

    Args:
        consumer: its member here.
        watched: its routes.
        ask: asks the broker.

    Attributes:
        backlog: as it was found last, behind if one of the routes is; None: not yet.
    """

    def __init__(self, consumer: Consumer, watched: Sequence[Watched], ask: Ask) -> None:
        self.backlog: Backlog | None = None
        self._consumer, self._watched, self._ask = consumer, watched, ask
        listeners = dict.fromkeys(listener for each in watched for listener in each.listeners)
        self._tellers = [
            Teller(listener, [each for each in watched if listener in each.listeners])
            for listener in listeners
        ]
        self._history = GroupHistory(consumer.name)
        self._failed = ""

    async def run(self) -> None:
        """Look, until cancelled."""
        try:
            while True:
                await asyncio.sleep(self.interval)
                await self.look()
        finally:
            # A listener may be in the middle of its call: it is cancelled, and has a second to end.
            with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                for each in self._tellers:
                    await each.close()

    @property
    def interval(self) -> float:
        """Seconds until the next look."""
        ages = [each.watch.limits.max_age for each in self._watched]
        shortest = min((each for each in ages if each is not None), default=LOOK_SECONDS * LOOKS)
        wanted = min(max(shortest / LOOKS, LEAST_SECONDS), LOOK_SECONDS)
        return max(wanted, PARTITION_SECONDS * len(self._consumer.partitions))

    async def look(self) -> None:
        """Look once, switch what is to be switched, and tell."""
        membership, held = self._consumer.settings.membership, held_by(self._consumer)
        topics = None if membership.patterns else membership.topics
        now = asyncio.get_running_loop().time()
        try:
            found = await self._ask(BacklogQuestion(membership.group, topics, membership.start, held))
        # The broker is away, or does not let us see: the health of the consumer tells the first, and what
        # was known stays. A bug would be ours, and handlers are not to suffer from it.
        except Exception as error:  # noqa: BLE001
            self._note(error)
            return
        self._failed = ""
        backlog = self._history.look(now, time.time_ns() // 1_000_000, found, held)
        for each in self._watched:
            part = backlog.only(each.reads)
            if each.watch.look(part.lag, part.age):
                self._changed(each, part)
        self.backlog = attrs.evolve(backlog, behind=any(each.watch.behind for each in self._watched))
        for teller in self._tellers:
            teller.look(backlog)

    def _note(self, error: Exception) -> None:
        told = describe(error)
        if told != self._failed:
            self._failed = told
            _log.warning("%s: its backlog is not known: %s", self._consumer.name, told)

    def _changed(self, watched: Watched, part: Backlog) -> None:
        name, behind = watched.route.name, watched.watch.behind
        if behind:
            # Who listens is told already.
            _log.log(
                logging.INFO if watched.listeners else logging.WARNING,
                "%s: %s is behind: %d messages wait, the oldest for %.1f s; more workers help: %s",
                part.group, name, part.lag, part.age, part.scale_helps,
            )  # fmt: skip
        else:
            _log.info("%s: %s has caught up", part.group, name)
        if watched.behind is not None:
            self._switch(watched.route, watched.behind if behind else watched.usual)

    def _switch(self, route: BoundRoute, mode: Mode) -> None:
        """The next calls are made in another mode. What is in hand stays, so nothing is repeated."""
        workers = self._consumer.workers + mode.concurrency - route.concurrency
        route.enter(mode)
        for partition in self._consumer.partitions.values():
            if mode.batch is not None and route in partition.routes.kinds.values():
                partition.gate.widen(2 * mode.batch.size)
                if partition.batches.gathered and partition.lease.takes_messages:
                    partition.batches.flush()
        self._consumer.resize(workers)
