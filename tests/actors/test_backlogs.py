"""The detector on virtual time: when routes go behind and come back, who is told, and what may fail."""

import asyncio
import re
from collections.abc import Sequence

import attrs
import pytest
from tests.actors.scripted import AT, OTHER, READER, Outage, RunningConsumer, ScriptedBroker
from tests.actors.test_attack import Running, route_of
from tests.simulated import pass_time, run, until

from partita import Backlog
from partita.actors.backlogs import LOOK_SECONDS, BacklogMonitor, Listener, Watched
from partita.actors.routes import BoundBatch, BoundRoute, TopicRoutes
from partita.core.backlog import BacklogLimits, BacklogWatch
from partita.core.batches import BatchLimits
from partita.core.extents import BacklogQuestion, Extent, GroupExtents
from partita.core.modes import Mode
from partita.core.retries import Retry


class Extents:
    """What the broker says of backlogs."""

    def __init__(self, lag: int = 0) -> None:
        self.lag = lag
        self.error: Exception | None = None
        self.questions: list[BacklogQuestion] = []

    async def ask(self, question: BacklogQuestion) -> GroupExtents:
        """Answer, or fail."""
        self.questions.append(question)
        if self.error is not None:
            raise self.error
        return GroupExtents({AT: Extent(None, 0, self.lag, self.lag, self.lag)}, 1)


class Scene:
    """A consumer, its detector and what both may ask."""

    def __init__(
        self,
        running: RunningConsumer,
        listeners: Sequence[Listener] = (),
        behind: Mode | None = None,
        limits: BacklogLimits = BacklogLimits(100, None),  # noqa: B008 - it cannot change
    ) -> None:
        self.extents = Extents()
        route = running.routes.kinds[None]
        usual = Mode(route.concurrency, route.batch.limits if route.batch else None)
        self.watched = Watched(route, lambda _: True, BacklogWatch(limits), usual, behind, listeners)
        self.monitor = BacklogMonitor(running.consumer, [self.watched], self.extents.ask)

    async def look(self, lag: int) -> None:
        """Look at this lag, and let who is told run."""
        self.extents.lag = lag
        await self.monitor.look()
        await pass_time(0.01)


async def nothing(value: bytes) -> None:
    """Take it."""


def test_who_is_told_is_told_when_it_begins_and_when_it_ends() -> None:
    """Once each, in a plain function and in a coroutine alike, with the backlog."""
    told: list[tuple[str, bool, int]] = []

    def plain(backlog: Backlog) -> None:
        told.append(("plain", backlog.behind, backlog.lag))

    async def awaited(backlog: Backlog) -> None:
        await asyncio.sleep(0)
        told.append(("awaited", backlog.behind, backlog.lag))

    async def scenario() -> None:
        async with RunningConsumer(ScriptedBroker(AT), nothing) as running:
            scene = Scene(running, [plain, awaited])
            for lag in (0, 101, 200, 51, 50, 99):
                await scene.look(lag)

            assert scene.monitor.backlog is not None
            assert (scene.monitor.backlog.lag, scene.monitor.backlog.behind) == (99, False)

    run(scenario())

    assert told == [
        ("plain", True, 101),
        ("awaited", True, 101),
        ("plain", False, 50),
        ("awaited", False, 50),
    ]


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_what_a_listener_raises_is_logged_once_and_harms_nothing(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the detector nor the loop; others are told all the same."""
    told: list[bool] = []

    def falls_over(backlog: Backlog) -> None:
        raise error

    async def scenario() -> None:
        async with RunningConsumer(ScriptedBroker(AT), nothing) as running:
            scene = Scene(running, [falls_over, lambda backlog: told.append(backlog.behind)])
            for lag in (101, 0, 101):
                await scene.look(lag)

    run(scenario())

    assert told == [True, False, True]
    assert [each.message for each in caplog.records if "listener" in each.message] == [
        f"a listener to backlogs failed: {type(error).__name__}" + (f": {error}" if str(error) else "")
    ]


def test_while_a_listener_takes_its_time_only_the_latest_news_waits() -> None:
    """And at the end a call that hangs is cancelled."""
    told: list[int] = []
    gate = asyncio.Event()

    async def slow(backlog: Backlog) -> None:
        told.append(backlog.lag)
        await gate.wait()

    async def scenario() -> None:
        async with RunningConsumer(ScriptedBroker(AT), nothing) as running:
            scene = Scene(running, [slow])
            task = asyncio.get_running_loop().create_task(scene.monitor.run())
            for lag in (101, 0, 102):
                await scene.look(lag)
            before = list(told)
            gate.set()
            await pass_time(0.01)
            gate.clear()
            await scene.look(0)
            task.cancel()
            await asyncio.wait([task])

            assert (before, told) == ([101], [101, 102, 0])
            assert task.cancelled()

    run(scenario())


def test_a_detector_that_told_nobody_ends_at_once() -> None:
    """There is no call to wait for."""

    async def scenario() -> None:
        async with RunningConsumer(ScriptedBroker(AT), nothing) as running:
            scene = Scene(running, [print])
            task = asyncio.get_running_loop().create_task(scene.monitor.run())
            await pass_time(LOOK_SECONDS + 0.01)
            task.cancel()
            await asyncio.wait([task])

            assert len(scene.extents.questions) == 1
            assert scene.extents.questions[0].topics == frozenset({"orders"})

    run(scenario())


def test_a_look_that_fails_changes_nothing_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """Until it succeeds again; the broker is away for a while, and handlers go on."""

    async def scenario() -> None:
        async with RunningConsumer(ScriptedBroker(AT), nothing) as running:
            scene = Scene(running)
            await scene.look(101)
            scene.extents.error = Outage("away")
            for _ in range(3):
                await scene.look(0)
            stays = scene.watched.watch.behind
            scene.extents.error = None
            await scene.look(0)

            assert (stays, scene.watched.watch.behind) == (True, False)

    run(scenario())

    lines = [each.message for each in caplog.records if each.name == "partita.backlog"]
    assert [line.partition(":")[2] for line in lines if "not known" in line] == [
        " its backlog is not known: Outage: away"
    ]


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        (BacklogLimits(1, None), LOOK_SECONDS),
        (BacklogLimits(1, 60.0), LOOK_SECONDS),
        (BacklogLimits(1, 2.0), 0.4),
        (BacklogLimits(1, 0.0), 0.1),
    ],
)
def test_looks_five_times_within_the_shortest_age(limits: BacklogLimits, seconds: float) -> None:
    """Every 5 s at the most, and not without a pause."""

    async def scenario() -> None:
        async with RunningConsumer(ScriptedBroker(), nothing) as running:
            assert Scene(running, limits=limits).monitor.interval == pytest.approx(seconds)

    run(scenario())


def test_many_partitions_are_looked_at_less_often() -> None:
    """So that looking takes less than a hundredth of a core, however many there are."""

    async def scenario() -> None:
        partitions = [AT._replace(partition=number) for number in range(200)]
        async with RunningConsumer(ScriptedBroker(*partitions), nothing) as running:
            assert Scene(running).monitor.interval == pytest.approx(10.0)

    run(scenario())


def test_more_calls_run_while_a_route_is_behind_and_fewer_when_it_has_caught_up() -> None:
    """None is lost, none is made twice, and those in hand end as they began."""
    calls: list[bytes] = []
    gate, most = asyncio.Semaphore(0), 0

    async def handle(value: bytes) -> None:
        nonlocal most
        calls.append(value)
        await gate.acquire()

    async def scenario() -> list[int]:
        broker, started = ScriptedBroker(AT, OTHER), list[int]()
        async with RunningConsumer(broker, handle, concurrency=2, order="none") as running:
            scene = Scene(running, behind=Mode(5))
            broker.member.feed(AT, *[b"%d" % number for number in range(20)])
            broker.member.feed(OTHER, *[b"other %d" % number for number in range(10)])
            for lag in (0, 101, 101, 0):
                await scene.look(lag)
                await pass_time(0.5)
                started.append(len(calls))
            for _ in range(30):
                gate.release()
                await pass_time(0.1)
                started.append(len(calls))
            running_now = running.consumer
            await until(lambda: running_now.handled == 30)
            assert running_now.workers == 2
        return started

    started, _ = run(scenario())

    assert started[:4] == [2, 5, 5, 5]
    assert started[4:8] == [5, 5, 5, 6]  # five were running, and two may
    assert len(calls) == len(set(calls)) == 30


def test_workers_that_are_too_many_end() -> None:
    """A mode that is left leaves no task behind."""
    gate = asyncio.Event()

    async def handle(value: bytes) -> None:
        await gate.wait()

    async def scenario() -> None:
        broker = ScriptedBroker(AT)
        async with RunningConsumer(broker, handle, concurrency=2, order="none") as running:
            scene = Scene(running, behind=Mode(20))
            await scene.look(101)
            broker.member.feed(AT, *[b"x"] * 40)
            await pass_time(0.5)
            many = len(asyncio.all_tasks())
            gate.set()
            await until(lambda: running.consumer.handled == 40)
            await scene.look(0)
            await pass_time(0.5)
            few = len(asyncio.all_tasks())
            broker.member.feed(AT, *[b"x"] * 10)
            await until(lambda: running.consumer.handled == 50)

            assert many - few >= 18

    run(scenario())


def test_a_consumer_that_starts_again_while_it_is_behind_stays_in_that_mode() -> None:
    """Its new pump has as many workers as the route may make calls."""

    async def scenario() -> None:
        async with RunningConsumer(ScriptedBroker(AT), nothing, concurrency=2) as running:
            scene = Scene(running, behind=Mode(7))
            await scene.look(101)

            assert running.consumer.workers == 7
            assert running.routes.kinds[None].concurrency == 7

    run(scenario())


class Batched:
    """A consumer with a batch handler, and the batches that it was handed."""

    def __init__(self, size: int, within: float) -> None:
        self.batches: list[int] = []
        self.broker = ScriptedBroker(AT)
        self.running = RunningConsumer(self.broker, nothing, order="partition")
        route = BoundRoute("store", _never, Retry(attempts=1), concurrency=1)
        route.batch = BoundBatch(BatchLimits(size, within), self._store)
        self.running.routes = TopicRoutes({None: route}, "type", READER)

    async def _store(self, records: Sequence[object], attempt: int, failed: object) -> None:
        self.batches.append(len(records))


async def _never(record: object, attempt: int) -> None:
    raise AssertionError("a batch handler is called with batches")


def test_batches_are_larger_while_a_route_is_behind() -> None:
    """What is gathered is handed over at the switch, so that nothing waits for a size that is no more."""

    async def scenario() -> list[int]:
        batched = Batched(3, 0.5)
        async with batched.running as running:
            scene = Scene(running, behind=Mode(1, BatchLimits(600, 5.0)))
            batched.broker.member.feed(AT, *[b"x"] * 4)
            await pass_time(0.3)
            await scene.look(101)
            await pass_time(0.1)
            batched.broker.member.feed(AT, *[b"x"] * 1_300)
            await pass_time(1.0)
            await scene.look(0)
            await pass_time(0.1)
            batched.broker.member.feed(AT, *[b"x"] * 3)
            await until(lambda: running.consumer.handled == 1_307)
        return batched.batches

    batches, _ = run(scenario())

    assert batches == [3, 1, 600, 600, 100, 3]


def test_a_partition_that_goes_away_is_not_stirred_by_a_switch() -> None:
    """What it has gathered stays unfinished, for its next owner."""

    async def scenario() -> None:
        batched = Batched(3, 60.0)
        async with batched.running as running:
            scene = Scene(running, behind=Mode(1, BatchLimits(600, 5.0)))
            batched.broker.member.feed(AT, b"1", b"2")
            await pass_time(0.3)
            running.consumer.partitions[AT].stop()
            await scene.look(101)
            await pass_time(0.5)

            assert batched.batches == []
            assert running.consumer.partitions[AT].committable == 0

    run(scenario())


def test_a_route_that_reads_nothing_of_a_partition_leaves_its_batches_alone() -> None:
    """Only its own are handed over."""

    async def scenario() -> None:
        batched = Batched(3, 60.0)
        async with batched.running as running:
            scene = Scene(running)
            other = BoundRoute("other", _never, Retry(attempts=1), concurrency=1)
            other.batch = BoundBatch(BatchLimits(9, 1.0), batched._store)
            usual, larger = Mode(1, BatchLimits(9, 1.0)), Mode(1, BatchLimits(90, 1.0))
            limits = BacklogLimits(100, None)
            watched = Watched(other, lambda _: True, BacklogWatch(limits), usual, larger)
            monitor = BacklogMonitor(running.consumer, [watched], scene.extents.ask)
            batched.broker.member.feed(AT, b"1", b"2")
            await pass_time(0.3)
            scene.extents.lag = 101
            await monitor.look()
            await pass_time(0.3)

            assert batched.batches == []
            assert other.batch.limits.size == 90

    run(scenario())


def test_a_member_with_a_pattern_asks_for_what_the_broker_knows_of_its_group() -> None:
    """It does not know all its topics itself."""

    async def scenario() -> None:
        async with RunningConsumer(ScriptedBroker(AT), nothing) as running:
            consumer = running.consumer
            membership = attrs.evolve(consumer.settings.membership, patterns=(re.compile("o.*"),))
            consumer.settings = attrs.evolve(consumer.settings, membership=membership)
            scene = Scene(running)
            await scene.look(0)

            assert scene.extents.questions[0].topics is None

    run(scenario())


def test_a_consumer_that_has_not_started_yet_starts_with_as_many_workers_as_its_mode_has() -> None:
    """A switch does not wait for the client."""
    routes = RunningConsumer(ScriptedBroker(), nothing)

    routes.consumer.resize(9)

    assert routes.consumer.workers == 9


def test_what_waits_for_a_call_begins_when_there_may_be_more() -> None:
    """Messages that were read already need no call to end first."""
    broker, gate = ScriptedBroker(AT, OTHER), asyncio.Event()
    begun: list[bytes] = []

    async def handle(value: bytes) -> None:
        begun.append(value)
        await gate.wait()

    route = route_of(handle, "none", 1)
    topics = {"orders": TopicRoutes({None: route}, "type", READER)}

    async def scenario() -> tuple[int, int]:
        async with Running(broker, topics, workers=9) as consumer:
            broker.member.feed(AT, b"1", b"2")
            broker.member.feed(OTHER, b"3", b"4")
            await pass_time(1)
            before = len(begun)
            route.concurrency = 4
            consumer.resize(12)
            await pass_time(1)
            after = len(begun)
            gate.set()
            await until(lambda: broker.stored == {AT: 2, OTHER: 2})
            return before, after

    assert run(scenario())[0] == (1, 4)
