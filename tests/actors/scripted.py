"""A broker that does what a test says: assigns, revokes, loses, feeds, fails, refuses and hangs."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from partita.actors.consumer import Consumer, ConsumerSettings
from partita.actors.partition import Partition
from partita.actors.routes import BoundRoute, TopicRoutes
from partita.backends.memory.records import MemoryReader, MemoryRecord
from partita.core.ports import AssignmentListener, Commit, Fetch, Headers, Membership, TopicPartition
from partita.core.process_flow import ProcessFlow
from partita.core.retries import Retry
from partita.core.views import BrokerView

READER = MemoryReader()
AT = TopicPartition("orders", 0)
OTHER = TopicPartition("orders", 1)
ONCE = Retry(attempts=1)
QUICK = Retry(attempts=3, backoff=1.0, jitter=0.0)

Handler = Callable[[bytes], Awaitable[object]]


class Outage(Exception):
    """The broker is away."""


class ScriptedBroker:
    """What the memberships of one test share: the stored offsets and the script."""

    def __init__(self, *initial: TopicPartition) -> None:
        self.initial = initial
        self.members: list[ScriptedSubscription] = []
        self.membership: Membership | None = None
        self.stored: dict[TopicPartition, int] = {}
        self.metadata: dict[TopicPartition, str] = {}
        self.committed_errors: list[Exception] = []
        self.begun: list[Mapping[TopicPartition, Commit]] = []
        self.flow = ProcessFlow()
        self.fetches_per_poll: int | None = None
        self.skipped: dict[TopicPartition, int] = {}
        self.begin_errors: list[Exception] = []
        self.asked: list[Collection[TopicPartition]] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self.commits: list[Mapping[TopicPartition, int]] = []
        self.refused: dict[TopicPartition, Exception] = {}
        self.commit_errors: list[Exception] = []
        self.start_errors: list[BaseException] = []
        self.unread: dict[TopicPartition, int] = {}
        self.view: BrokerView | Exception | None = None
        self._ends: dict[TopicPartition, int] = {}

    @property
    def member(self) -> "ScriptedSubscription":
        """The membership that was made last."""
        return self.members[-1]

    def subscribe(self, membership: Membership) -> "ScriptedSubscription":
        """A new member."""
        self.membership = membership
        self.members.append(ScriptedSubscription(self))
        return self.member

    def fetch(self, at: TopicPartition, *values: bytes | None, headers: Headers = ()) -> Fetch:
        """The next messages of a partition, one for each of *values*, with no gaps."""
        first = self._ends.get(at, 0)
        self._ends[at] = first + len(values)
        records = [
            MemoryRecord(at.topic, at.partition, first + number, 0, None, value, headers)
            for number, value in enumerate(values)
        ]
        return Fetch(at, records, self._ends[at], sum(len(each or b"") for each in values), first)

    def rewind(self, at: TopicPartition, to: int | None = None) -> None:
        """The next messages of a partition are those from an offset on; default: from its commit."""
        self._ends[at] = self.stored.get(at, 0) if to is None else to


class ScriptedSubscription:
    """One membership; fills the `Subscription` port."""

    def __init__(self, broker: ScriptedBroker) -> None:
        self.broker = broker
        self.closed = False
        self.polled_closed: list[Collection[TopicPartition]] = []
        self.listener: AssignmentListener
        self._fetches: list[Fetch] = []
        self._error: BaseException | None = None
        self._news = asyncio.Event()

    async def start(self, listener: AssignmentListener) -> None:
        """Join, or fail as the script has it."""
        self.listener = listener
        if self.broker.start_errors:
            raise self.broker.start_errors.pop(0)
        listener.assigned(self.broker.initial)

    async def poll(self, closed: Collection[TopicPartition], timeout: float) -> Sequence[Fetch]:
        """What was fed for partitions that are not closed."""
        self.polled_closed.append(tuple(closed))
        if not self._error and not self._open(closed):
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), timeout)
            except TimeoutError:
                return ()
        if self._error is not None:
            raise self._error
        fetches = self._open(closed)
        self._fetches = [each for each in self._fetches if each not in fetches]
        return fetches

    def _open(self, closed: Collection[TopicPartition]) -> list[Fetch]:
        found = [each for each in self._fetches if each.partition not in closed]
        return found[: self.broker.fetches_per_poll]

    async def commit(self, commits: Mapping[TopicPartition, Commit]) -> Mapping[TopicPartition, Exception]:
        """Store what the script does not refuse."""
        offsets = {at: commit.offset for at, commit in commits.items()}
        self.broker.commits.append(offsets)
        if self.broker.commit_errors:
            raise self.broker.commit_errors.pop(0)
        refused = {at: error for at, error in self.broker.refused.items() if at in offsets}
        stored = {at: offset for at, offset in offsets.items() if at not in refused}
        for at, offset in stored.items():
            assert offset >= self.broker.stored.get(at, 0), "a commit moved back"
        self.broker.stored.update(stored)
        self.broker.metadata.update({at: commits[at].metadata for at in stored})
        return refused

    async def committed(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, Commit]:
        """What is stored, once the script lets it answer."""
        self.broker.asked.append(tuple(partitions))
        await self.broker.answering.wait()
        if self.broker.committed_errors:
            raise self.broker.committed_errors.pop(0)
        broker = self.broker
        return {
            at: Commit(broker.stored[at], broker.metadata.get(at, ""))
            for at in partitions
            if at in broker.stored
        }

    async def begin(
        self, starts: Mapping[TopicPartition, Commit]
    ) -> Mapping[TopicPartition, int | Exception]:
        """Store what the script does not refuse; the fence is the number of beginnings so far."""
        broker = self.broker
        broker.begun.append(starts)
        if broker.begin_errors:
            return dict.fromkeys(starts, broker.begin_errors.pop(0))
        for at, start in starts.items():
            assert start.offset >= broker.stored.get(at, 0), "a commit moved back"
            broker.stored[at], broker.metadata[at] = start.offset, start.metadata
        return dict.fromkeys(starts, len(broker.begun))

    def skip(self, partition: TopicPartition, offset: int) -> None:
        """Note it."""
        self.broker.skipped[partition] = offset

    async def unread(self) -> Mapping[TopicPartition, int]:
        """What the script says."""
        return self.broker.unread

    async def view(self) -> BrokerView:
        """What the script says; default: what the consumer has."""
        if isinstance(self.broker.view, Exception):
            raise self.broker.view
        assert isinstance(self.listener, Consumer)
        has = frozenset(self.listener.partitions)
        return self.broker.view or BrokerView(True, has, unread=self.broker.unread)

    async def close(self) -> None:
        """Leave."""
        self.closed = True

    def feed(self, at: TopicPartition, *values: bytes | None, headers: Headers = ()) -> None:
        """Messages arrive in one fetch."""
        self.feed_fetch(self.broker.fetch(at, *values, headers=headers))

    def feed_fetch(self, fetch: Fetch) -> None:
        """A fetch arrives."""
        self._fetches.append(fetch)
        self._news.set()

    def fail(self, error: BaseException) -> None:
        """Every poll fails from now on."""
        self._error = error
        self._news.set()


def routes_to(
    handler: Handler,
    *,
    retry: Retry = ONCE,
    concurrency: int = 64,
    kind: str | None = None,
    order: str = "partition",
) -> TopicRoutes:
    """One route that hands a record's value to *handler*."""

    def call(record: object, attempt: int) -> Awaitable[object]:
        assert isinstance(record, MemoryRecord)
        return handler(record.value or b"")

    route = BoundRoute("handler", call, retry, order, concurrency, READER.key)
    return TopicRoutes({kind: route}, "type", READER)


class RunningConsumer:
    """A consumer on a scripted broker, run as a task for as long as the block lasts."""

    def __init__(
        self,
        broker: ScriptedBroker,
        handler: Handler,
        *,
        retry: Retry = ONCE,
        drain_timeout: float = 30.0,
        kind: str | None = None,
        concurrency: int = 64,
        order: str = "partition",
    ) -> None:
        self.broker = broker
        self.stop_requests: list[BaseException] = []
        self.routes = routes_to(handler, retry=retry, kind=kind, concurrency=concurrency, order=order)
        self.consumer = Consumer(
            ConsumerSettings(
                Membership("billing", frozenset({"orders"})),
                concurrency,
                drain_timeout,
                flow=broker.flow,
            ),
            broker.subscribe,
            lambda topic: self.routes,
            self.stop_requests.append,
        )
        self.task: asyncio.Task[None]

    async def __aenter__(self) -> "RunningConsumer":
        self.task = asyncio.get_running_loop().create_task(self.consumer.run())
        await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *failure: object) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])
        if not self.task.cancelled():
            # What it failed with is the test's to look at.
            self.task.exception()


class NoPump:
    """Nobody works on the partition; what it says is kept."""

    def __init__(self) -> None:
        self.readied: list[Partition] = []

    def ready(self, partition: Partition) -> None:
        """Note it."""
        self.readied.append(partition)

    def halt(self, partition: Partition) -> int:
        """Nothing runs."""
        return 0


class RaisingNotices:
    """Somebody to be told who falls over now and then."""

    def __init__(self, *, when_finished: int = 0, when_idle: int = 0) -> None:
        self.finished_errors, self.idle_errors = when_finished, when_idle
        self.count = 0

    def finished(self, count: int) -> None:
        """Count, and fall over."""
        self.count += count
        if count and self.finished_errors:
            self.finished_errors -= 1
            raise RuntimeError("finished")

    def idle(self) -> None:
        """Fall over."""
        if self.idle_errors:
            self.idle_errors -= 1
            raise RuntimeError("idle")

    def late(self) -> None:
        """Not of interest here."""

    def stop_requested(self, error: BaseException) -> None:
        """Not of interest here."""


class Worker:
    """A handler that notes each call, and fails as often as it is told to."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls: list[tuple[float, bytes]] = []

    async def __call__(self, value: bytes) -> None:
        self.calls.append((round(asyncio.get_running_loop().time(), 2), value))
        if self.errors:
            raise self.errors.pop(0)

    @property
    def values(self) -> list[bytes]:
        """What it was called with, in order."""
        return [value for _, value in self.calls]
