"""
The consumer: one membership of a group, its partitions, and the two tasks that serve them all.

It owns the subscription, a supervisor with the poller, the committer and one pump per partition. When
the client is in trouble the poller fails, and with it this whole actor: the bus's supervisor then starts
it again with a new client. A client is rebuilt, never repaired.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from functools import partial

import anyio
import attrs

from partita.actors.accounts import Account
from partita.actors.committer import Committer
from partita.actors.partition import Partition
from partita.actors.poller import Poller
from partita.actors.pump import Pump
from partita.actors.routes import TopicRoutes
from partita.actors.supervisor import Supervisor
from partita.actors.warm import WarmStore
from partita.core.commits import CommitPolicy
from partita.core.flow import FlowGate
from partita.core.health import Part
from partita.core.leases import Lease, Leases
from partita.core.ports import Membership, Subscription, TopicPartition
from partita.core.process_flow import ProcessFlow
from partita.core.restarts import FailureKind, Supervision

# A gate that opens again does not wake a poll that is under way for the other partitions.
CLOSE_SECONDS = 15.0
_log = logging.getLogger("partita.consumer")


@attrs.frozen
class ConsumerSettings:
    """
    What a consumer needs beside its client.

    Args:
        membership: what it reads.
        workers: how many calls may be unfinished at once.
        drain_timeout: seconds that messages in hand get when a partition goes away.
        policy: when offsets are committed.
        leases: where it notes the partitions that it has.
        flow: what all partitions of the process have in hand.
    """

    membership: Membership
    workers: int = 64
    drain_timeout: float = 30.0
    policy: CommitPolicy = CommitPolicy()
    leases: Leases = attrs.field(factory=Leases)
    flow: ProcessFlow = attrs.field(factory=ProcessFlow)


class Consumer(Account):
    """
    One group membership.

    Args:
        settings: what it reads, and its deadlines.
        subscribe: makes a new client-side subscription for each start.
        routes: the routes of a topic; raises what makes a topic unservable.
        on_stop_request: a handler asked the process to stop.
    """

    def __init__(
        self,
        settings: ConsumerSettings,
        subscribe: Callable[[Membership], Subscription],
        routes: Callable[[str], TopicRoutes],
        on_stop_request: Callable[[BaseException], None],
    ) -> None:
        super().__init__(settings.membership.group)
        self.settings = settings
        self.joined = False
        self._subscribe = subscribe
        self._routes = routes
        self._on_stop_request = on_stop_request
        self.workers = settings.workers
        self._warm = WarmStore(most_bytes=settings.flow.limits.bytes // 2)
        self._draining = False
        self._subscription: Subscription | None = None
        self._supervisor: Supervisor | None = None
        self._poller: Poller | None = None
        self._pump: Pump | None = None
        self._committer: Committer | None = None

    async def run(self) -> None:
        """
        Join, serve what is assigned, and leave; started again after every failure.

        Raises:
            Exception: the client's own error, or what makes a topic unservable.
        """
        subscription = self._subscription = self._subscribe(self.settings.membership)
        self._committer = Committer(subscription, self.partitions.values, self.settings.policy)
        self._unstored = self._committer.trouble
        self._poller = Poller(subscription, self.partitions, self._committer, self.settings.flow)
        self._pump = Pump(self.workers, self, partitions=self.partitions.values)
        self._supervisor = Supervisor(f"consumer {self.name}", Supervision(), _judge_child)
        for each in (self._pump, self._poller, self._committer, self.monitor):
            self._supervisor.add(type(each).__name__.lower(), each.run)
        self._supervisor.add("witness", partial(self.witness.run, subscription))
        self.settings.flow.on_room.append(self._room)
        self.attendance.joins(anyio.current_time())
        try:
            await subscription.start(self)
            self.joined = True
            self.attendance.joined()
            await self._supervisor.run()
        except Exception as error:
            self._fails(error)
            raise
        finally:
            self.joined = False
            self.lost(list(self.partitions))
            self._warm.clear()
            self.settings.flow.on_room.remove(self._room)
            # The group still counts this member and its sockets are open: leaving is finished even
            # when this task is cancelled, within a deadline.
            with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                await subscription.close()

    def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """Start a pump for each partition."""
        if partitions:
            _log.info("%s: assigned %s", self.name, _listed(partitions))
        self.monitor.assigned(partitions)
        for at in partitions:
            try:
                self._adopt(at)
            # The client's callback must not see an error; the poller raises it at its next turn.
            except Exception as error:  # noqa: BLE001
                assert self._poller is not None
                self._poller.fail(error)
        self.attendance.settled()

    def _adopt(self, at: TopicPartition) -> None:
        assert self._pump is not None  # assignments arrive through a started subscription
        routes = self._routes(at.topic)
        if self._draining:
            return
        if at in self.partitions:
            self.lost([at])  # a second assignment without a revocation in between: the first one is over
        flow = self.settings.flow
        lease, gate = Lease(at), FlowGate.of(flow.limits, flow)
        self._left.pop(at, None)
        partition = self.partitions[at] = Partition(lease, routes, gate, self._pump)
        self.settings.leases.hold(lease)
        if (unhandled := self._warm.take(at)) is not None and self._poller is not None:
            self._poller.returned(partition, unhandled)

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Finish what is in hand, commit it, and let the partitions go; bounded by the drain timeout."""
        going = [self.partitions[at] for at in partitions if at in self.partitions]
        if not going:
            return
        assert self._committer is not None  # there are partitions, so there is a committer
        self.attendance.gives_up(anyio.current_time())
        await self._settle(going)
        # A rebalance often gives back what it takes.
        self._warm.keep_all(going, self._committer.stored)
        self._drop(going)
        _log.info("%s: revoked %s", self.name, _listed(partitions))

    def lost(self, partitions: Collection[TopicPartition]) -> None:
        """Stop at once and commit nothing for these any more."""
        going = [self.partitions[at] for at in partitions if at in self.partitions]
        self._drop(going)
        if going:
            self.attendance.loses(anyio.current_time())
            _log.warning("%s: lost %s", self.name, _listed(partitions))
            reason = self._trouble[0] if self._trouble else "the broker took it away"
            self.monitor.lost(partitions, reason)

    async def _settle(self, going: Collection[Partition]) -> None:
        """Drain and commit; what does not end within the deadline is left unfinished."""
        assert self._committer is not None  # there are partitions, so there is a committer
        for partition in going:
            partition.stop()
        with anyio.move_on_after(self.settings.drain_timeout):
            for partition in going:
                await partition.drained.wait()
        self.abandoned += sum(each.running for each in going)
        await self._committer.commit_surely()

    def _drop(self, going: Iterable[Partition]) -> None:
        for partition in going:
            # A drain, a revocation and a loss of one partition may overlap.
            if self.partitions.get(partition.name) is not partition:
                continue
            partition.end()
            assert self._pump is not None and self._committer is not None  # noqa: PT018
            # What its reader had handled so far is counted with this, so it comes before the figures.
            self._pump.give_up(partition)
            self._gone(partition, behind=self._committer.is_behind(partition))
            self.settings.leases.drop(partition.lease)
            self._committer.forget(partition.name)

    async def drain(self) -> None:
        """Take nothing new, finish what is in hand, commit, and stop; `run` then leaves the group."""
        self._draining = True
        if going := list(self.partitions.values()):
            for partition in going:
                partition.deaths.forget()
            await self._settle(going)
            self._drop(going)
        self._tell_uncommitted()
        if self._supervisor is not None:
            self._supervisor.stop()

    @property
    def readiness(self) -> Part:
        """Whether it polls and has its share of the partitions."""
        polled_at = None if self._poller is None else self._poller.polled_at
        return self.attendance.judge(len(self.partitions), polled_at, anyio.current_time())

    async def exhausted(self) -> bool:
        """
        Whether everything this member reads is handled to its end, or waits behind a parked message.

        Raises:
            Exception: the client's own error.
        """
        if not (self.joined and self._subscription is not None and self._calm()):
            return False
        unread = await self._subscription.unread()
        stuck = {each.name for each in self.partitions.values() if each.stuck}
        return self._calm() and not any(n for at, n in unread.items() if at not in stuck)

    def _calm(self) -> bool:
        assert self._poller is not None  # there is a subscription
        return not self._poller.holding and all(each.calm for each in self.partitions.values())

    def resize(self, workers: int) -> None:
        """So many calls may be unfinished at once from now on."""
        self.workers = workers
        if self._pump is not None:
            self._pump.resize(workers)

    def finished(self, count: int) -> None:
        """A pump has handled *count* more messages."""
        assert self._committer is not None  # set before a pump starts
        self._committer.finished(count)

    def idle(self) -> None:
        """A pump has nothing left to do."""
        assert self._committer is not None  # set before a pump starts
        self._committer.idle()

    def _room(self) -> None:
        """The process has room for unfinished messages; told in the middle of somebody's counting."""
        assert self._pump is not None  # there was a start
        for partition in self.partitions.values():
            asyncio.get_running_loop().call_soon(self._pump.ready, partition)

    def stop_requested(self, error: BaseException) -> None:
        """A handler asked the process to stop."""
        self._on_stop_request(error)

    def __repr__(self) -> str:
        state = "running" if self.joined else "not joined"
        return f"<Consumer {self.name!r} {state}: {len(self.partitions)} partitions>"


def _judge_child(name: str, error: BaseException) -> FailureKind:
    """The others fail with their client; a pump, or a monitor, starts again on its own."""
    return FailureKind.CRASH if name in ("pump", "monitor") else FailureKind.PROTOCOL


def _listed(partitions: Iterable[TopicPartition]) -> str:
    return ", ".join(str(each) for each in sorted(partitions))
