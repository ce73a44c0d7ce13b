"""From a router to what the actors run: bound routes, consumers, lifespans. No message passes here."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import attrs

from partita.actors.backlogs import Watched
from partita.actors.holds import Holds
from partita.actors.messages import OpenMessage
from partita.actors.processes import ProcessPool
from partita.actors.routes import BoundBatch, BoundRoute, Bury, TopicRoutes
from partita.batch_calls import (
    batch_leased,
    batch_of_one,
    batch_stalling,
    batch_traced,
    batch_watched,
    bind_batch,
)
from partita.calls import bind_first, bind_handler, sound
from partita.core.backlog import BacklogLimits, BacklogWatch
from partita.core.dead_letters import Death, dead_letter
from partita.core.errors import RouteError
from partita.core.leases import Leases
from partita.core.modes import behind_mode, usual_mode
from partita.core.ports import Backend, Membership
from partita.core.routes import RouteTable
from partita.handlers import Call, Want
from partita.interceptors import OnConsume, batch_intercepted, intercepted
from partita.message import PublishFunction, Scope
from partita.middleware.compose import compose
from partita.middleware.rate_limit import RateLimit
from partita.pools import Pool, pool_of
from partita.router import Route, by_group
from partita.surroundings import isolated, keyed, leased, ordering_key, publishing, stalling, timed
from partita.telemetry.handling import Handling
from partita.telemetry.tracing import Tracing

if TYPE_CHECKING:
    from partita.bus import EventBus

Lifespan = Callable[["EventBus"], AsyncIterator[object]]
Wrap = Callable[[Call, Route], Call]


def unwrapped(call: Call, route: Route) -> Call:
    """The call as it is."""
    return call


@attrs.frozen(eq=False)
class Wiring:
    """
    What binds routes to one bus.

    Args:
        backend: where messages come from.
        publish: how handlers publish.
        tracing: None when no provider is installed, so that nothing is called per message.
        wrap: put around each handler's call.
        on_consume: functions that each record goes through before its handler.
        limits: from when on a route is behind that says nothing of it; None: backlogs are watched only
            where a route says something.
    """

    backend: Backend
    publish: PublishFunction
    tracing: Tracing | None = None
    wrap: Wrap = unwrapped
    on_consume: Sequence[OnConsume] = ()
    limits: BacklogLimits | None = None

    def bind(self, route: Route, group: str, state: object, pool: Pool | None, leases: Leases) -> BoundRoute:
        """
        Make a route callable.

        Args:
            route: the route.
            group: the consumer group that it reads in.
            state: what its lifespan yielded.
            pool: where its handler runs; None: on the event loop.
            leases: those of the member that it runs in.

        Raises:
            RouteError: the handler wants another client's record.
        """
        handling = None if self.tracing is None else self.tracing.handling(self.backend.reader, group)
        scope = Scope(group, state, self.publish)
        if route.batch is not None:
            bound = self._bind_batch(route, scope, pool, leases, handling)
        else:
            bound = self._bind_single(route, scope, pool, leases, handling)
        bound.drop = route.settings.on_exhausted == "drop"
        if route.settings.dead_letter is not None:
            bound.bury = self._burial(route.settings.dead_letter, group, handling)
        return bound

    def _bind_single(
        self, route: Route, scope: Scope, pool: Pool | None, leases: Leases, handling: Handling | None
    ) -> BoundRoute:
        settings, plan, reader, holds = route.settings, route.plan, self.backend.reader, Holds()
        plain = bind_handler(plan, reader, scope, pool)
        call = intercepted(plain, self.on_consume)
        if settings.to is not None:
            call = publishing(call, settings.to, self.publish, plan.name)
        if settings.order == "key" and settings.key_from is not None:
            call = keyed(call, settings.key_from, reader)
        call = self.wrap(self._surround(call, route, scope.group, holds, pool), route)
        if handling is not None:
            call = handling.traced(call)
        if settings.isolate_context:
            call = isolated(call)
        if any(each.want is Want.CONTEXT for each in plan.parameters):
            call = leased(call, reader, leases)
        key_of = ordering_key(settings, reader)
        checked = sound(call, reader)
        bound = BoundRoute(plan.name, checked, settings.retry, settings.order, settings.concurrency, key_of)
        if call is plain:
            bound.first = bind_first(plan, reader, checked)
        bound.holds, bound.queued = holds, None if handling is None else handling.queued
        return bound

    def _bind_batch(
        self, route: Route, scope: Scope, pool: Pool | None, leases: Leases, handling: Handling | None
    ) -> BoundRoute:
        settings, plan, reader = route.settings, route.plan, self.backend.reader
        assert route.batch is not None and not isinstance(pool, ProcessPool)  # noqa: PT018 - as it was declared
        call, holds = batch_intercepted(bind_batch(plan, reader, scope, pool), self.on_consume), Holds()
        if settings.timeout is not None:
            call = timed(call, settings.timeout)
        if pool is not None:
            call = batch_stalling(call, pool, reader, holds)
        if self.wrap is not unwrapped:
            call = batch_watched(call, lambda each: self.wrap(each, route))
        if handling is not None:
            call = batch_traced(call, handling)
        if any(each.want is Want.CONTEXT for each in plan.parameters):
            call = batch_leased(call, reader, leases)
        alone, order = sound(batch_of_one(call), reader), settings.order
        bound = BoundRoute(plan.name, alone, settings.retry, order, settings.concurrency, holds=holds)
        bound.batch = BoundBatch(route.batch, call)
        return bound

    def _surround(self, call: Call, route: Route, group: str, holds: Holds, pool: Pool | None) -> Call:
        """
        From the inside: the timeout, which must not run while a call is held; a pool that cannot start
        calls; the rate, so that a breaker that closes lets no burst past it; the middlewares.
        """
        settings, reader = route.settings, self.backend.reader
        if settings.timeout is not None and not isinstance(pool, ProcessPool):
            call = timed(call, settings.timeout)
        if pool is not None:
            call = stalling(call, pool.stall, reader, holds)
        if settings.rate is not None:
            call = RateLimit(settings.rate, reader, holds).around(call)
        return compose(settings.middleware, call, reader, holds, f"{group}/{route.plan.name}")

    def _burial(self, topic: str, group: str, handling: Handling | None) -> Bury:
        reader = self.backend.reader

        async def bury(message: OpenMessage) -> None:
            first, last, record = message.first, message.last, message.record
            assert first is not None and last is not None  # noqa: PT018 - it has failed
            trace_id = None if handling is None else handling.trace_id(record)
            death = Death(message.route.name, group, message.attempt, first, last, trace_id)
            letter = dead_letter(record, reader, death)
            if handling is None:
                await self.publish(topic, letter)
            else:
                await handling.bury(record, topic, letter, self.publish)

        return bury


@attrs.frozen(eq=False)
class GroupPlan:
    """
    What one consumer needs.

    Args:
        membership: what it reads.
        routes: the routes of a topic.
        workers: how many calls may be unfinished at once, over all its routes.
        pools: where those of its handlers run that do not run on the event loop.
        leases: where the consumer notes what it holds, for the handlers' contexts.
        watched: its routes, if their backlog is to be watched.
    """

    membership: Membership
    routes: Callable[[str], TopicRoutes]
    workers: int
    pools: Sequence[Pool] = ()
    leases: Leases = attrs.field(factory=Leases)
    watched: Sequence[Watched] = ()


def plan_groups(
    wiring: Wiring, routes: Sequence[Route], group: str, states: Mapping[Lifespan, object]
) -> Sequence[GroupPlan]:
    """
    One plan per group that *routes* name; those that name none are in *group*.

    Raises:
        RouteError: routes that cannot be served together.
    """
    return [_plan_group(wiring, name, table, states) for name, table in by_group(routes, group)]


def _plan_group(
    wiring: Wiring, group: str, table: RouteTable[Route], states: Mapping[Lifespan, object]
) -> GroupPlan:
    bound: dict[Route, BoundRoute] = {}
    pools = {each: pool for each in table.handlers if (pool := pool_of(each)) is not None}
    leases = Leases()
    for route in table.handlers:
        state = states.get(route.lifespan) if route.lifespan is not None else None
        bound[route] = wiring.bind(route, group, state, pools.get(route), leases)
    start = _one({each: each.settings.start for each in table.handlers}, "start", group)
    kind_header = _one({each: each.kind_header for each in table.handlers}, "kind_header", group)
    membership = Membership(group, table.topics, table.patterns, start=start)

    def routes_of(topic: str) -> TopicRoutes:
        kinds = {kind: bound[route] for kind, route in table.lookup(topic).items()}
        return TopicRoutes(kinds, kind_header, wiring.backend.reader)

    workers = sum(each.concurrency for each in bound.values())
    watched = _watched(bound, table, wiring.limits)
    return GroupPlan(membership, routes_of, workers, list(pools.values()), leases, watched)


def _watched(
    bound: Mapping[Route, BoundRoute], table: RouteTable[Route], limits: BacklogLimits | None
) -> Sequence[Watched]:
    """The routes of a group, when one of them or the run wants to know of backlogs."""
    if limits is None and not any(_wants_backlog(each) for each in bound):
        return ()
    found = []
    for route, each in bound.items():
        watch = BacklogWatch(_limits_of(route, limits or BacklogLimits()))
        usual, behind = usual_mode(route.settings, route.batch), behind_mode(route.settings, route.batch)
        found.append(Watched(each, partial(_reads, table, route), watch, usual, behind, route.on_backlog))
    return found


def _wants_backlog(route: Route) -> bool:
    settings = route.settings
    limits = (settings.max_lag, settings.max_age)
    return bool(route.on_backlog) or settings.behind is not None or limits != (None, None)


def _limits_of(route: Route, limits: BacklogLimits) -> BacklogLimits:
    lag, age = route.settings.max_lag, route.settings.max_age
    return BacklogLimits(limits.max_lag if lag is None else lag, limits.max_age if age is None else age)


def _reads(table: RouteTable[Route], route: Route, topic: str) -> bool:
    return route in table.lookup(topic).values()


def _one(values: Mapping[Route, str], option: str, group: str) -> str:
    """The value that all routes of a group share, since the group reads as one member."""
    found = {value: route for route, value in values.items()}
    if len(found) > 1:
        first, second = list(found.values())[:2]
        raise RouteError(
            f"{first.plan.where} and {second.plan.where} differ in {option}, and both are in group "
            f"{group!r}; give one of them a group of its own"
        )
    return next(iter(found))


@asynccontextmanager
async def lifespans(routes: Sequence[Route], bus: "EventBus") -> AsyncIterator[Mapping[Lifespan, object]]:
    """Enter each lifespan of *routes* once, in order; leave them in reverse order."""
    states: dict[Lifespan, object] = {}
    async with AsyncExitStack() as stack:
        for route in routes:
            if route.lifespan is not None and route.lifespan not in states:
                entered = asynccontextmanager(route.lifespan)(bus)
                states[route.lifespan] = await stack.enter_async_context(entered)
        yield states
