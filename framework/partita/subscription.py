"""Subscription: a router that is being run on a bus. Its consumers stand under one supervisor."""

import asyncio
import logging
from collections.abc import Sequence

import anyio
import attrs

from partita.actors.backlogs import BacklogMonitor
from partita.actors.consumer import Consumer, ConsumerSettings
from partita.actors.supervisor import Supervisor
from partita.core.errors import Closed, PartitaError, TopicMissing
from partita.core.health import Parked, Part, describe
from partita.core.ports import Backend
from partita.core.process_flow import ProcessFlow
from partita.core.restarts import FailureKind, Supervision, judge_outside
from partita.core.standing import judge_all
from partita.core.states import PartitionState
from partita.wiring import GroupPlan

BURST_SECONDS = 0.05
_BACKLOG = "backlog"
_log = logging.getLogger("partita.bus")


@attrs.frozen
class Summary:
    """
    What a run came to.

    Args:
        handled: messages whose handler finished.
        failed: messages that were given up, as dead letters or dropped, or were parked when it ended.
        parked: those, with their errors.
        abandoned: messages whose handler was still running when the drain deadline passed.
        uncommitted: partitions whose last offsets no broker took; what was finished since is handled again.
        late: messages whose handler returned when their partition was somebody else's already; not counted
            as handled, since its next owner handles them.
    """

    handled: int
    failed: int
    parked: Sequence[Parked] = ()
    abandoned: int = 0
    late: int = 0
    uncommitted: int = 0


class Subscription:
    """
    Consumers that run. Made by `EventBus.subscribe` and `EventBus.run`.

    Args:
        backend: where messages come from.
        plans: one per group.
        drain_timeout: seconds that messages in hand get when it stops.
        flow: what all partitions of the bus have in hand.
    """

    def __init__(
        self, backend: Backend, plans: Sequence[GroupPlan], drain_timeout: float, flow: ProcessFlow
    ) -> None:
        self._backend = backend
        self._supervisor = Supervisor("bus", Supervision(), self._judge)
        self.consumers = [
            Consumer(
                ConsumerSettings(plan.membership, plan.workers, drain_timeout, leases=plan.leases, flow=flow),
                backend.subscription,
                plan.routes,
                self.stop_requested,
            )
            for plan in plans
        ]
        self.monitors = [
            BacklogMonitor(consumer, plan.watched, backend.extents)
            for consumer, plan in zip(self.consumers, plans, strict=True)
            if plan.watched
        ]
        self._pools = [pool for plan in plans for pool in plan.pools]
        for consumer in self.consumers:
            self._supervisor.add(f"consumer {consumer.name}", consumer.run)
        for number, monitor in enumerate(self.monitors):
            self._supervisor.add(f"{_BACKLOG} {number}", monitor.run)
        self._stop = anyio.Event()
        self._stopped_at: float | None = None
        self._drained = anyio.Event()
        self._drain_lock = anyio.Lock()
        self._parked: Sequence[Parked] = ()
        self._running: asyncio.Task[None] | None = None
        self._given_up: BaseException | None = None

    def _judge(self, name: str, error: BaseException) -> FailureKind:
        backend = self._backend
        if name.startswith(_BACKLOG):
            return FailureKind.TRANSPORT  # who only looks on makes nothing fail
        if isinstance(error, TopicMissing) or backend.is_refused(error):
            # What has never worked is a mistake, and to be told at once; what has may work again.
            failed = (each for each in self.consumers if f"consumer {each.name}" == name)
            worked = any(each.witness.ever or each.handled for each in failed)
            return FailureKind.REFUSED if worked else FailureKind.PROTOCOL
        if isinstance(error, PartitaError):
            return FailureKind.PROTOCOL
        # A TimeoutError among them is what the witness says of a client that is silent.
        return judge_outside(backend, error)

    @property
    def ended(self) -> bool:
        """Whether it was drained."""
        return self._drained.is_set()

    @property
    def handled(self) -> int:
        """Messages whose handler finished, so far."""
        return sum(each.handled for each in self.consumers)

    @property
    def parked(self) -> Sequence[Parked]:
        """The messages that are parked; after the end, those that were."""
        return [p for each in self.consumers for p in each.parked] or self._parked

    @property
    def states(self) -> Sequence[PartitionState]:
        """What each partition is doing."""
        return [state for each in self.consumers for state in each.states]

    @property
    def parts(self) -> dict[str, Part]:
        """The health of each consumer, partition with a parked message, and pool that starts no calls."""
        parts = {name: part for each in self.consumers for name, part in each.parts.items()}
        now = anyio.current_time()
        for pool in self._pools:
            if pool.stall.reason is not None:
                told = Part(healthy=False, reason=pool.stall.reason, since=now - pool.stall.since)
                parts[f"pool {pool.name}"] = told
        return parts

    @property
    def summary(self) -> Summary:
        """What it came to so far."""
        parked, abandoned = self.parked, sum(each.abandoned for each in self.consumers)
        given_up = sum(each.failed for each in self.consumers)
        late = sum(each.late_completions for each in self.consumers)
        uncommitted = sum(len(each.uncommitted) for each in self.consumers)
        return Summary(self.handled, given_up + len(parked), parked, abandoned, late, uncommitted)

    @property
    def live(self) -> Part:
        """Whether its supervisor lives, or has ended in good order."""
        task = self._running
        error = task.exception() if task is not None and task.done() and not task.cancelled() else None
        if error is None:
            return Part(healthy=True)
        reason = f"its supervisor has given up: {describe(error)}"
        return Part(healthy=False, reason=reason, since=self._stopped_for)

    @property
    def readiness(self) -> Part:
        """Whether every consumer polls and has its share of the partitions."""
        if self._stop.is_set():
            reason = "draining: it finishes what is in hand and takes nothing new"
            return Part(healthy=False, reason=reason, since=self._stopped_for)
        return judge_all([each.readiness for each in self.consumers], "")

    @property
    def started(self) -> bool:
        """Whether every consumer has had its share of the partitions once."""
        return all(each.attendance.settled_once for each in self.consumers)

    @property
    def _stopped_for(self) -> float:
        now = asyncio.get_running_loop().time()
        return 0.0 if self._stopped_at is None else now - self._stopped_at

    async def start(self) -> None:
        """
        Run in the background from now on.

        Raises:
            RouteError: a process cannot import its handler.
            OSError: there is no process to be had.
        """
        try:
            for pool in self._pools:
                await pool.start()
        except BaseException:
            # Nothing is consumed yet, and nobody will drain this: processes that are up are to end, also
            # when this task is cancelled; each has a deadline.
            with anyio.CancelScope(shield=True):
                await self._close_pools()
            raise
        self._running = asyncio.get_running_loop().create_task(self._supervisor.run())
        self._running.add_done_callback(lambda _: self._end_begins())

    async def ready(self) -> None:
        """
        Wait until every consumer has joined its group.

        Raises:
            BaseException: what made the consumers give up before that.
        """
        while not all(each.joined for each in self.consumers):
            if self._stop.is_set():
                await self.closed()
                return
            await anyio.sleep(BURST_SECONDS)

    async def closed(self) -> None:
        """
        Wait for the end.

        Raises:
            RestartLimitReached: a consumer, or a supervised task of the bus, failed too often.
            BaseException: an error that no restart can help, untouched.
        """
        if self._running is not None:
            await asyncio.shield(self._running)  # a cancelled waiter does not stop the consumers
        if self._given_up is not None:
            raise self._given_up

    async def wait_stop(self) -> None:
        """Wait until somebody asked for the end: `drain`, a handler's SystemExit, or a failure."""
        await self._stop.wait()

    async def wait_exhausted(self) -> None:
        """Wait until everything is handled to its end, what its own handlers published included."""
        while not self._stop.is_set():
            before = self.handled
            if await self._all_exhausted() and before == self.handled:
                return
            with anyio.move_on_after(BURST_SECONDS):
                await self._stop.wait()

    async def _all_exhausted(self) -> bool:
        try:
            return all([await each.exhausted() for each in self.consumers])
        # The broker is away for a moment, and the poller finds out the same; or a member's client was closed
        # meanwhile, because it is built anew, or because the end was asked for.
        except Exception as error:
            closed = self._stop.is_set() or isinstance(error, Closed)
            if closed or self._judge("", error) is FailureKind.TRANSPORT:
                return False
            raise

    def _end_begins(self) -> None:
        if self._stopped_at is None:
            self._stopped_at = asyncio.get_running_loop().time()
        self._stop.set()

    def give_up(self, error: BaseException) -> None:
        """What it runs beside is in trouble that no restart helps: end in good order, and raise that."""
        self._given_up = error
        self._end_begins()

    def stop_requested(self, error: BaseException) -> None:
        """A handler, or a supervised task, asked for the end."""
        if not self._stop.is_set():
            _log.warning("%s was raised: the run ends in good order", type(error).__name__)
        self._end_begins()

    async def drain(self) -> None:
        """
        Take nothing new, finish what is in hand, commit, and leave the groups.

        Bounded by the drain timeout; a message that waits for its next attempt or is parked stays
        unfinished. Draining twice is draining once.
        """
        self._end_begins()
        async with self._drain_lock:
            if self._drained.is_set():
                return
            self._parked = self.parked
            async with anyio.create_task_group() as group:
                for consumer in self.consumers:
                    group.start_soon(consumer.drain)
            self._supervisor.stop()
            if self._running is not None:
                await asyncio.wait([self._running])
            await self._close_pools()
            self._drained.set()

    async def _close_pools(self) -> None:
        for pool in self._pools:
            await pool.close()

    def __repr__(self) -> str:
        return f"<Subscription {self.consumers}: {self.handled} handled>"
