"""One run of a member from its start to its drain, on a loop that counts callbacks and may cut in at one."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from typing import TypeVarTuple

from tests.simulated import pass_time

from partita.actors.consumer import Consumer, ConsumerSettings
from partita.actors.routes import BoundRoute, TopicRoutes
from partita.backends.memory import MemoryBroker
from partita.backends.memory.records import MemoryReader, MemoryRecord
from partita.backends.memory.subscription import MemorySubscription
from partita.core.offset_map import OffsetMap
from partita.core.ports import Commit, Membership, Outgoing, TopicPartition
from partita.core.retries import Retry
from partita.testing import SimLoop

Ts = TypeVarTuple("Ts")

READER = MemoryReader()
MEMBERSHIP = Membership("billing", frozenset({"orders"}))
MESSAGES = 16
# How long each handler waits, by offset; None: not at all. One fails at first, with and without a wait.
WAITS = (None, 0.02, None, 0.3, 0.01)
FAILING = {(0, 2), (1, 1)}


class CuttingLoop(SimLoop):
    """
    A loop that counts the callbacks that it runs: each is a point where something else may come first.

    Args:
        at: the point to cut in at; 0: none.
    """

    def __init__(self, at: int = 0) -> None:
        self.points, self.at = 0, at
        self.cut: Callable[[], object] = bool
        self.wrongs: list[str] = []
        super().__init__()
        self.set_exception_handler(lambda loop, context: self.wrongs.append(str(context)))

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """As asyncio has it."""
        return super().call_soon(self._run, callback, args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As asyncio has it."""
        return super().call_at(when, self._run, callback, args, context=context)

    def _run(self, callback: Callable[[*Ts], object], args: tuple[*Ts]) -> None:
        self.points += 1
        if self.points == self.at:
            self.cut()
        callback(*args)


class CheckedSubscription(MemorySubscription):
    """A member whose commits are looked at before they are stored."""

    def __init__(self, run: "Run") -> None:
        super().__init__(run.broker, MEMBERSHIP)
        self._run = run

    async def commit(self, commits: Mapping[TopicPartition, Commit]) -> Mapping[TopicPartition, Exception]:
        """Nothing unfinished is below an offset or in its map."""
        for at, commit in commits.items():
            for offset in self._run.told(at, commit) - self._run.done[at]:
                self._run.loop.wrongs.append(f"{at}@{offset} was committed and is not finished")
        return await super().commit(commits)


class Run:
    """
    A member that handles what there is, shares it with a second one that comes and goes, and is drained.

    Args:
        order: of the route.
        concurrency: of the route.
        target: the task to cancel: "member", "worker" or "drain".
        at: the point to cancel it at; 0: none.

    Attributes:
        done: the offsets whose handler has returned.
        points: how many there were until the member had ended.
    """

    def __init__(self, order: str, concurrency: int, target: str, at: int = 0) -> None:
        self._order, self._concurrency = order, concurrency
        self.loop = CuttingLoop(at)
        self.loop.cut = self._cut
        self.points = 0
        self.broker = MemoryBroker(2)
        self.done: dict[TopicPartition, set[int]] = {TopicPartition("orders", n): set() for n in (0, 1)}
        self._target = target
        self._failed: set[tuple[int, int]] = set()
        self._busy: dict[tuple[str, object], MemoryRecord] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._workers: list[asyncio.Task[object]] = []
        for number in range(MESSAGES):
            self.broker.append("orders", Outgoing(b"", key=b"%d" % (number // 2 % 2), partition=number % 2))

    def _cut(self) -> None:
        if self._target == "worker":
            # The last that began a call: it is in it, or between two, or rests.
            alive = [each for each in self._workers if not each.done()]
            if alive:
                alive[-1].cancel()
        elif self._target in self._tasks:
            self._tasks[self._target].cancel()

    def told(self, at: TopicPartition, commit: Commit | None) -> set[int]:
        """The offsets that a commit calls finished."""
        if commit is None:
            return set()
        above = OffsetMap.decode(commit.offset, commit.metadata).finished
        return {n for n in range(len(self.broker.log(at))) if n < commit.offset or n in above}

    def _member(self, name: str) -> Consumer:
        def handle(record: object, attempt: int = 1) -> Awaitable[object]:
            assert isinstance(record, MemoryRecord)
            return self._handle(name, record)

        retry = Retry(attempts=3, backoff=0.05, jitter=0.0)
        route = BoundRoute("charge", handle, retry, self._order, self._concurrency, READER.key)
        return Consumer(
            ConsumerSettings(MEMBERSHIP, self._concurrency, drain_timeout=1.0),
            lambda membership: CheckedSubscription(self),
            lambda topic: TopicRoutes({None: route}, "type", READER),
            lambda error: self.loop.wrongs.append(f"asked to stop by {error!r}"),
        )

    async def _handle(self, member: str, record: MemoryRecord) -> None:
        at, task = TopicPartition("orders", record.partition), asyncio.current_task()
        if task is not None and task not in self._workers:
            self._workers.append(task)
        if record.offset in self.told(at, self.broker.group("billing").committed.get(at)):
            self.loop.wrongs.append(f"{at}@{record.offset} is repeated though it was committed")
        key = {"key": record.key, "partition": b"", "none": record.offset}[self._order]
        lane = member, (record.partition, key)
        if lane in self._busy:
            self.loop.wrongs.append(f"{record} overtakes {self._busy[lane]}")
        self._busy[lane] = record
        try:
            wait = WAITS[record.offset % len(WAITS)]
            if wait is not None:
                await asyncio.sleep(wait)
            if (record.partition, record.offset) in FAILING - self._failed:
                self._failed.add((record.partition, record.offset))
                raise ValueError("no")
        finally:
            del self._busy[lane]
        self.done[at].add(record.offset)

    @property
    def _settled(self) -> bool:
        stored = self.broker.group("billing").committed
        return all(at in stored and stored[at].offset == len(self.broker.log(at)) for at in self.done)

    async def story(self) -> None:
        """What happens, whether or not somebody cuts in."""
        first, second = self._member("first"), self._member("second")
        member = self._tasks["member"] = self.loop.create_task(first.run())
        await pass_time(0.1)
        joining = self.loop.create_task(second.run())
        await pass_time(0.1)
        await second.drain()
        await self._ends(joining)
        if self._target != "drain":
            await self._until(lambda: self._settled or member.done())
        drain = self._tasks["drain"] = self.loop.create_task(first.drain())
        await self._ends(drain)
        if drain.cancelled():
            await first.drain()
        await self._ends(member)

    async def _until(self, condition: Callable[[], object]) -> None:
        deadline = self.loop.time() + 60
        while not condition() and self.loop.time() < deadline:
            await pass_time(0.1)
        if not condition():
            self.loop.wrongs.append("nothing goes on")

    async def _ends(self, task: "asyncio.Task[None]") -> None:
        await asyncio.wait([task], timeout=60)
        if not task.done():
            self.loop.wrongs.append(f"{task} hangs")
        elif not task.cancelled() and task.exception() is not None:
            self.loop.wrongs.append(f"{task} failed of {task.exception()!r}")

    async def _aftermath(self) -> None:
        """Nobody is left; the next member finds everything that is not finished, and handles it."""
        points = self.loop.points
        await self.story()
        self.points = self.loop.points - points
        await pass_time(1)  # the broker finishes the rebalance that the last leave has started
        if left := asyncio.all_tasks() - {asyncio.current_task()}:
            self.loop.wrongs.append(f"tasks are left: {left}")
        last = self._member("last")
        running = self.loop.create_task(last.run())
        await pass_time(0.1)
        await self._until(lambda: self._settled or running.done())
        await last.drain()
        await self._ends(running)
        for at, done in self.done.items():
            if lost := set(range(len(self.broker.log(at)))) - done:
                self.loop.wrongs.append(f"{at}: {lost} are lost")

    def play(self) -> list[str]:
        """Everything; returns what went wrong."""
        self.loop.run(self._aftermath())
        self._tasks.clear()
        self._workers.clear()
        gc.collect()  # an exception that nobody has looked at is told when its task is thrown away
        return self.loop.wrongs
