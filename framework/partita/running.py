"""What runs on a bus: routers turned into subscriptions, until they are drained."""

import math
from collections.abc import Iterator, Mapping, Sequence

import anyio
import attrs

from partita.actors.consumer import Consumer
from partita.actors.holding import held_by
from partita.actors.partition import Partition
from partita.actors.watchdog import Watchdog
from partita.core.errors import SettingsError
from partita.core.extents import Held
from partita.core.health import Part
from partita.core.metrics import Number, Sample, Series, added_up, is_lasting
from partita.core.ports import Backend, TopicPartition
from partita.core.process_flow import FlowLimits, ProcessFlow
from partita.core.standing import Standing, judge_all
from partita.core.states import PartitionState
from partita.retention import check_retention
from partita.router import Route
from partita.subscription import Subscription
from partita.supervising import SupervisedTasks
from partita.wiring import GroupPlan, Lifespan, Wiring, plan_groups

MEMORY_GROUP = "partita"
DRAIN_SECONDS = 30.0
# Of the rebalance timeout, what a drain may take, so that its commit is in time as well.
DRAIN_SHARE = 0.8


@attrs.frozen
class RunOptions:
    """
    How a router is run.

    Args:
        group: the group of the routes that name none.
        drain_timeout: seconds that messages in hand get when their partition goes away, at the end too;
            None: 30, or half of the rebalance timeout if that is less.
    """

    group: str | None = None
    drain_timeout: float | None = None

    def drain_seconds(self, rebalance_timeout: float | None) -> float:
        """
        How long a drain may take at a broker that waits *rebalance_timeout* seconds for it.

        Raises:
            SettingsError: it is no number of seconds, or the broker does not wait for that long.
        """
        most = math.inf if rebalance_timeout is None else rebalance_timeout
        if self.drain_timeout is None:
            return min(DRAIN_SECONDS, most / 2)
        if not 0 <= self.drain_timeout < math.inf:
            raise SettingsError(f"drain_timeout={self.drain_timeout!r}: give a number of seconds from 0")
        if self.drain_timeout > most * DRAIN_SHARE:
            raise SettingsError(
                f"drain_timeout={self.drain_timeout:g}: the broker waits {most:g} s for partitions to be "
                "given up (the rebalance timeout) and hands them to others then; "
                f"give {most * DRAIN_SHARE:g} s or less, or raise the rebalance timeout "
                "(on Kafka the option rebalance_timeout_ms of the bus's address)"
            )
        return self.drain_timeout


class Running:
    """
    The subscriptions of one bus, and the tasks that it supervises.

    Args:
        backend: where messages come from.
        limits: how much of them may be in hand at once.

    Attributes:
        tasks: those of the user's own.
    """

    def __init__(self, backend: Backend, limits: FlowLimits) -> None:
        self._backend, self._flow = backend, ProcessFlow(limits)
        self._subscriptions: list[Subscription] = []
        self._past: dict[Series, Number] = {}
        self._watchdog = Watchdog()
        self._started = False
        self._failure: BaseException | None = None
        self.tasks = SupervisedTasks(backend, self._task_ended)

    def __bool__(self) -> bool:
        return bool(self._now)

    @property
    def _now(self) -> Sequence[Subscription]:
        """Those that have not ended."""
        return [each for each in self._subscriptions if not each.ended]

    @property
    def states(self) -> Sequence[PartitionState]:
        """What each partition of every consumer is doing."""
        return [state for each in self._now for state in each.states]

    @property
    def parts(self) -> Mapping[str, Part]:
        """The health of every consumer, every partition in trouble and every supervised task."""
        parts: dict[str, Part] = {}
        for subscription in self._now:
            for name, part in subscription.parts.items():
                # Members of one group share its name: a sound one must not hide one in trouble.
                if name not in parts or not part.healthy:
                    parts[name] = part
        return {**parts, **self.tasks.parts}

    @property
    def standing(self) -> Standing:
        """Whether what runs here is alive, ready and started, without asking the broker."""
        now = self._now
        ready = judge_all([each.readiness for each in now], "nothing runs here")
        # Once is for good: who has started may be unready later, and is not starting then.
        self._started = self._started or (bool(now) and all(each.started for each in now))
        late = ready.reason or "not every consumer has had its share of the partitions yet"
        started = Part(healthy=True) if self._started else Part(healthy=False, reason=late, since=ready.since)
        live = judge_all([each.live for each in now], "") if now else Part(healthy=True)
        return Standing(live, ready, started)

    def start_of(self, group: str) -> str | None:
        """Where *group* begins without a commit, if it runs here."""
        return next((each.settings.membership.start for each in self._members(group)), None)

    def held(self, group: str) -> Mapping[TopicPartition, Held]:
        """What the members of *group* that run here have in hand."""
        return {at: held for each in self._members(group) for at, held in held_by(each).items()}

    def owners(self, at: TopicPartition) -> Iterator[tuple[Consumer, Partition]]:
        """Each member that has a partition, with it."""
        for member in self._consumers():
            if at in member.partitions:
                yield member, member.partitions[at]

    def _consumers(self) -> Iterator[Consumer]:
        for subscription in self._now:
            yield from subscription.consumers

    def _members(self, group: str) -> Iterator[Consumer]:
        return (each for each in self._consumers() if each.name == group)

    def samples(self) -> Iterator[Sample]:
        """Every number of what runs, and what those have come to that have ended."""
        yield from self._past.items()
        for subscription in self._subscriptions:
            yield from _samples(subscription)

    def _keep(self, subscription: Subscription) -> None:
        lasting = ((series, number) for series, number in _samples(subscription) if is_lasting(series))
        self._past = added_up([*self._past.items(), *lasting])

    async def start(
        self,
        wiring: Wiring,
        routes: Sequence[Route],
        states: Mapping[Lifespan, object],
        options: RunOptions,
    ) -> Subscription:
        """
        Start consumers for *routes*.

        Raises:
            RouteError: they cannot be served together.
            SettingsError: there is no route, a broker needs a group and none is named, or it does not
                wait for as long as a drain may take.
            Exception: the client's own error, or what a supervised task has given up for.
        """
        self._raise_failure()
        drain_seconds = options.drain_seconds(self._backend.rebalance_timeout)
        plans = await self.plan(wiring, routes, states, options.group)
        subscription = Subscription(self._backend, plans, drain_seconds, self._flow)
        await subscription.start()
        self._subscriptions.append(subscription)
        for route in routes:
            self._watchdog.know(route.plan.function, route.plan.name)
        self._watchdog.start()
        return subscription

    async def plan(
        self,
        wiring: Wiring,
        routes: Sequence[Route],
        states: Mapping[Lifespan, object],
        group: str | None,
    ) -> Sequence[GroupPlan]:
        """What would be started for *routes*; nothing is consumed. Raises as `start` does."""
        plans = plan_groups(wiring, routes, self._group(routes, group), states)
        # Two patterns for one topic are found before anything is consumed, for the topics there are.
        there = await self._backend.list_topics()
        for topic in there:
            for plan in plans:
                plan.routes(topic)
        await check_retention(routes, self._backend, there)
        return plans

    def _group(self, routes: Sequence[Route], group: str | None) -> str:
        if not routes:
            raise SettingsError("the router has no handler; decorate a function with @router.handler")
        on_broker = self._backend.system != "memory"
        if not group and on_broker and any(each.settings.group is None for each in routes):
            raise SettingsError(
                f"name a consumer group (--group, or group=...): {self._backend.address} keeps what was "
                "handled per group"
            )
        return group or MEMORY_GROUP

    def _task_ended(self, error: BaseException) -> None:
        """A supervised task has given up, or asks for the end: what runs ends in good order."""
        running = self._now
        for each in running:
            if isinstance(error, Exception):
                each.give_up(error)
            else:
                each.stop_requested(error)
        if not running and isinstance(error, Exception):
            self._failure = error

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    async def end(self, subscription: Subscription) -> None:
        """Drain one subscription and forget it."""
        # Messages are in hand and finished ones uncommitted: the drain is bounded by a deadline of its
        # own, so a cancelled run ends in good order too.
        with anyio.CancelScope(shield=True):
            await subscription.drain()
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)
                self._keep(subscription)
        self._unwatch()

    def _unwatch(self) -> None:
        if not self:
            self._watchdog.stop()

    async def drain(self) -> None:
        """Stop everything in good order: finish what is in hand, commit, leave."""
        async with anyio.create_task_group() as tasks:
            for subscription in list(self._subscriptions):
                tasks.start_soon(subscription.drain)

    async def closed(self) -> None:
        """Raise what made a subscription, or a supervised task, give up, if nobody has seen it yet."""
        subscriptions, self._subscriptions = self._subscriptions, []
        self._unwatch()
        for subscription in subscriptions:
            self._keep(subscription)
        for subscription in subscriptions:
            await subscription.closed()
        self._raise_failure()


def _samples(subscription: Subscription) -> Iterator[Sample]:
    for consumer in subscription.consumers:
        yield from consumer.samples()
