"""
EventBus: opens a backend and owns what runs on it.

It wires and owns; messages go from the client to the handler without passing through it.
"""

from collections.abc import Callable, Sequence
from re import Pattern
from types import TracebackType
from typing import Any, Self, Unpack

import anyio

from partita.administration import Administration
from partita.core.backlog import BacklogLimits
from partita.core.ports import Backend, ClientOption, RecordReader
from partita.core.process_flow import DEFAULT_LIMITS, FlowLimits
from partita.core.routes import Source
from partita.core.settings import RouteOptions
from partita.interceptors import Interceptors
from partita.intervening import Intervening
from partita.observing import Observing
from partita.publishing import Publishing
from partita.router import Router
from partita.running import Running, RunOptions
from partita.subscription import Subscription, Summary
from partita.supervising import LongLived, RestartMode, Supervised
from partita.telemetry.tracing import find_tracing
from partita.wiring import Wiring, Wrap, lifespans, unwrapped


class EventBus(Publishing, Administration, Observing, Intervening):
    """
    Publishing, subscribing and administration on one broker. Made by `open_bus`; used in `async with`.

    Args:
        backend: the code for the broker.
        limits: how much of what it reads may be in hand at once.
        interceptors: functions at the client's edge.
    """

    def __init__(
        self,
        backend: Backend,
        limits: FlowLimits = DEFAULT_LIMITS,
        interceptors: Interceptors = Interceptors(),
    ) -> None:
        super().__init__(backend, interceptors.on_publish)
        self._on_consume = interceptors.on_consume
        self._observe(Running(backend, limits))

    @property
    def system(self) -> str:
        """Which broker it is: "memory", "kafka" or "nats"."""
        return self._backend.system

    @property
    def address(self) -> str:
        """The broker's address without any secret."""
        return self._backend.address

    @property
    def options(self) -> Sequence[ClientOption]:
        """The client's options as they are used, and where each comes from; secrets are masked."""
        return self._backend.options

    @property
    def client(self) -> Any:
        """
        The client's own objects as they are now: on Kafka with `producer`, `consumers` and `admin`, on NATS
        the client of publishing and topics, on memory the broker.

        They are the bus's: use them for what the bus does not offer; start, stop and close none of them, do
        not cancel their calls, and do not poll, seek, pause or commit. One that failed is replaced, so do not
        keep them.
        """
        return self._backend.client

    @property
    def reader(self) -> RecordReader:
        """Reads the client's own records."""
        return self._backend.reader

    async def __aenter__(self) -> Self:
        await self._backend.open()
        self._trace(find_tracing(self.system, self.address))
        self._open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def subscribe(
        self,
        source: Source | Sequence[Source],
        handler: Callable[..., object],
        **options: Unpack[RouteOptions],
    ) -> Subscription:
        """
        Let *handler* handle messages in the background, as a group member of its own.

        Args:
            source: a topic, a compiled pattern, or several.
            handler: what `Router.handler` takes.
            **options: see `RouteOptions`; a broker needs *group*.

        Raises:
            RouteError: the handler cannot be served.
            TopicMissing: a topic does not exist.
            Exception: the client's own error.
        """
        sources = [source] if isinstance(source, str | Pattern) else source
        router = Router()
        router.handler(*sources, **options)(handler)
        self._check_open()
        choices = RunOptions(options.get("group"))
        subscription = await self._running.start(self._wiring(), router.routes, {}, choices)
        try:
            await subscription.ready()
        except BaseException:
            # Raised to the caller, a cancellation too; members that joined meanwhile are to leave again.
            await self._running.end(subscription)
            raise
        return subscription

    async def run(
        self,
        router: Router,
        *,
        group: str | None = None,
        burst: bool = False,
        drain_timeout: float | None = None,
        backlog: BacklogLimits | None = None,
        wrap: Wrap = unwrapped,
    ) -> Summary:
        """
        Run a router until it is drained or cancelled.

        Args:
            router: what handles which messages.
            group: the consumer group of the routes that name none; needed on a broker.
            burst: end when everything there is has been handled, what handlers published included.
            drain_timeout: seconds that messages in hand get when their partition goes away, at the end too;
                default 30, or half of the rebalance timeout if that is less.
            backlog: from when on a route is behind that says nothing of it. Default None: backlogs are
                watched only in groups with a route that has `behind`, `max_lag`, `max_age` or a listener.
            wrap: put around each handler's call; for test harnesses.

        Raises:
            RouteError: the router cannot be served.
            SettingsError: *drain_timeout* is too long for the broker's rebalance timeout.
            TopicMissing: a topic does not exist.
            RestartLimitReached: a consumer, or a supervised task, failed too often.
            Exception: the client's own error, or what a supervised task has given up for.
        """
        self._check_open()
        options = RunOptions(group, drain_timeout)
        async with lifespans(router.routes, self) as states:
            wiring = self._wiring(wrap, backlog)
            subscription = await self._running.start(wiring, router.routes, states, options)
            try:
                await (subscription.wait_exhausted() if burst else subscription.wait_stop())
            finally:
                await self._running.end(subscription)
            await subscription.closed()
            return subscription.summary

    async def check(self, router: Router, *, group: str | None = None) -> None:
        """
        Whether `run` could serve a router: signatures, options, patterns. Consumes nothing.

        Raises:
            RouteError: it cannot be served.
            SettingsError: a broker needs a group and none is named.
            Exception: the client's own error.
        """
        self._check_open()
        await self._running.plan(self._wiring(), router.routes, {}, group)

    def _wiring(self, wrap: Wrap = unwrapped, limits: BacklogLimits | None = None) -> Wiring:
        return Wiring(self._backend, self._publish, self._tracing, wrap, self._on_consume, limits)

    def supervise(self, function: LongLived, *, name: str, restart: RestartMode = "permanent") -> Supervised:
        """
        Keep a task of your own running beside what the bus runs, under the same supervision.

        It is called in a task of its own, from now on until the bus is closed; then, when all handlers have
        ended, it is cancelled and gets 10 s for its end. After a failure it is called again, 0.5 s later
        and then longer, up to 30 s. The sixth failure within 60 s ends `run` in good order, which then
        raises `RestartLimitReached`. An error that passes by itself in the client's opinion, such as an
        `OSError`, does not count and is waited for; one of Partita's own is raised by `run` at once, and
        `SystemExit` ends the run in good order. `health_check` has a part `task NAME`, red from a failure on
        until it has run for 5 s.

        Args:
            function: takes no arguments; what it returns is awaited.
            name: what logs and health call it.
            restart: "permanent" (default): it is to run for as long as the bus, to return is a failure;
                "transient": to return is its end; "temporary": so is a failure, which stays red.

        Raises:
            Closed: the bus is not open.
            SettingsError: the name is in use, or there is no such way to restart.
        """
        self._check_open()
        return self._running.tasks.add(function, name, restart)

    @property
    def is_running(self) -> bool:
        """Whether a router or a subscription is being run, so that there is something to drain."""
        return bool(self._running)

    async def drain(self) -> None:
        """Stop everything that runs here in good order: finish what is in hand, commit, leave."""
        await self._running.drain()

    def is_unreachable(self, error: BaseException) -> bool:
        """Whether *error* means that no connection to the broker could be made."""
        return self._backend.is_unreachable(error)

    def is_retriable(self, error: BaseException) -> bool:
        """Whether the broker may well take the same request later; of a group: each of its errors."""
        if isinstance(error, BaseExceptionGroup):
            return all(map(self.is_retriable, error.exceptions))
        return self._backend.is_retriable(error)

    async def aclose(self) -> None:
        """
        Drain what runs, flush what was sent, and close every connection. Closing twice is closing once.

        Raises:
            BaseException: what made a subscription, or a supervised task, give up, if nobody has seen it yet.
        """
        if not self._open:
            return
        # Members would stay in their groups and sockets open: closing is finished even when this task
        # is cancelled; each step has a deadline of its own.
        with anyio.CancelScope(shield=True):
            await self.drain()
            await self._running.tasks.stop()
            await self._heartbeats.stop()
            self._open = False
            await self._backend.close()
            await self._probe.close()
        await self._running.closed()

    def __repr__(self) -> str:
        return f"<EventBus {self.address} {'open' if self._open else 'closed'}>"
