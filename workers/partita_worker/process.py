"""One worker process: open the bus, run a router on it, and end with the exit code that says how it went."""

import asyncio
import time
from collections.abc import Callable

import anyio
import attrs

from partita import BacklogLimits, EventBus, Router, Summary, TopicMissing
from partita_worker.banner import (
    StartFacts,
    banner,
    closing,
    dead_letter_topics,
    groups_of,
    topics_of,
    uvloop_is_installed,
)
from partita_worker.buses import make_bus
from partita_worker.exits import ExitCode
from partita_worker.feed import Feed, feed
from partita_worker.observers import Observers
from partita_worker.signals import StopLadder
from partita_worker.verdicts import innermost

Say = Callable[[str], None]


@attrs.frozen
class RunSettings:
    """
    What `worker run` was asked to do.

    Args:
        bus: the address of the bus, options included.
        group: the consumer group of routes that name none.
        burst: end when everything is handled.
        create_topics: make what is missing.
        drain_timeout: seconds that messages in hand get at the end.
        backlog: from when on a route is behind that says nothing of it.
        feeds: files whose lines are published first.
        heartbeat: a topic and an interval in seconds; None: no heartbeat.
    """

    bus: str = "memory://"
    group: str | None = None
    burst: bool = False
    create_topics: bool = False
    drain_timeout: float = 30.0
    backlog: BacklogLimits = attrs.field(factory=BacklogLimits)
    feeds: tuple[Feed, ...] = ()
    heartbeat: tuple[str, float] | None = None


class Worker:
    """
    One run of one router.

    Args:
        settings: what to do.
        router: what handles which messages.
        tracing: on or off and why, for the banner.
        say: prints a line.
        observers: who looks at it while it runs.
    """

    def __init__(
        self, settings: RunSettings, router: Router, tracing: str, say: Say, observers: Observers
    ) -> None:
        self._settings = settings
        self._router = router
        self._tracing = tracing
        self._say = say
        self._refused = 0
        self._summary = Summary(0, 0)
        self._seconds = 0.0
        self._observers = observers

    def run(self) -> ExitCode:
        """
        Run to the end.

        Raises:
            PartitaError: what was asked cannot be done.
            Exception: the client's own error.
        """
        options = {"use_uvloop": uvloop_is_installed()}
        try:
            anyio.run(self._main, backend="asyncio", backend_options=options)
        except BaseExceptionGroup as group:
            # Task groups wrap what a caller is to see as it was raised.
            raise innermost(group) from None
        self._observers.end(self._summary)
        for line in closing(self._summary, self._seconds):
            self._say(line)
        return self._verdict()

    def _verdict(self) -> ExitCode:
        if self._summary.abandoned or self._summary.uncommitted:
            return ExitCode.DRAIN_DEADLINE
        if self._settings.burst and (self._summary.failed or self._refused):
            return ExitCode.FAILED_MESSAGES
        return ExitCode.OK

    async def _main(self) -> None:
        stop, loop = anyio.Event(), asyncio.get_running_loop()

        def ask() -> None:
            # Called from a signal handler, at any point of whatever the loop is doing.
            loop.call_soon_threadsafe(stop.set)

        ladder = StopLadder(ask, self._settings.drain_timeout, self._say)
        with ladder.installed():
            bus = make_bus(self._settings.bus)
            groups = groups_of(self._router, self._settings.group)
            async with self._observers.around(bus, groups), anyio.create_task_group() as tasks:
                tasks.start_soon(self._stop_when_asked, stop, bus, tasks.cancel_scope)
                await self._serve(bus)
                tasks.cancel_scope.cancel()

    async def _stop_when_asked(self, stop: anyio.Event, bus: EventBus, scope: anyio.CancelScope) -> None:
        await stop.wait()
        self._observers.notifier.stopping()
        if bus.is_running:
            await bus.drain()
        else:
            scope.cancel()

    async def _serve(self, bus: EventBus) -> None:
        async with bus:
            await bus.check(self._router, group=self._settings.group)
            await self._look_at_topics(bus)
            if self._settings.heartbeat is not None:
                topic, interval = self._settings.heartbeat
                await bus.start_heartbeat(topic, interval=interval)
            started = time.perf_counter()
            try:
                await self._handle(bus)
            finally:
                self._seconds = time.perf_counter() - started

    async def _handle(self, bus: EventBus) -> None:
        """Feed and run: one after the other in a burst, side by side otherwise."""
        if self._settings.burst:
            await self._feed(bus)
        async with anyio.create_task_group() as tasks:
            if not self._settings.burst:
                tasks.start_soon(self._feed, bus)
            self._summary = await bus.run(
                self._router,
                group=self._settings.group,
                burst=self._settings.burst,
                drain_timeout=self._settings.drain_timeout,
                backlog=self._settings.backlog,
            )
            tasks.cancel_scope.cancel()

    async def _feed(self, bus: EventBus) -> None:
        for each in self._settings.feeds:
            self._refused += await feed(bus, each, self._say)

    async def _look_at_topics(self, bus: EventBus) -> None:
        """
        Make or refuse topics that are missing, then greet. On memory topics appear on first use.

        One for dead letters is not refused: it may never be needed, and until it is there its messages wait.
        """
        extra = [each.topic for each in self._settings.feeds]
        if self._settings.heartbeat is not None:
            extra.append(self._settings.heartbeat[0])
        topics = topics_of(self._router, extra)
        dead = dead_letter_topics(self._router)
        there = {*topics, *dead} if bus.system == "memory" else await bus.list_topics()
        missing = [topic for topic in topics if topic not in there]
        if missing and not self._settings.create_topics:
            raise TopicMissing(missing[0])
        self._greet(bus)
        missing += [topic for topic in dead if topic not in (*there, *missing)]
        for topic in missing:
            if self._settings.create_topics:
                await bus.create_topic(topic)
                self._say(f"created  {topic} with 4 partitions")
            else:
                self._say(f"missing  {topic}: what is to go there is parked until it is made")

    def _control(self) -> str | None:
        control = self._observers.control
        return str(control[0]) if control is not None and control[1] else None

    def _greet(self, bus: EventBus) -> None:
        loop = "uvloop" if uvloop_is_installed() else "asyncio"
        facts = StartFacts(
            bus.address, self._settings.group, loop, self._tracing, self._observers.url, self._control()
        )
        for line in banner(self._router, facts):
            self._say(line)
