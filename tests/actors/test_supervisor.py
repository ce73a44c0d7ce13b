"""The supervisor's shell on virtual time: who is started when, and what goes up."""

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import pytest
from tests.simulated import pass_time, run

from partita import RestartLimitReached, TopicMissing
from partita.actors.supervisor import Supervisor
from partita.core.restarts import FailureKind, RestartPolicy, Strategy, Supervision

POLICY = RestartPolicy(max_restarts=3, period=60.0, backoff=1.0, backoff_max=8.0, outage_max=8.0, jitter=0.0)
Run = Callable[[], Awaitable[None]]


def judge(name: str, error: BaseException) -> FailureKind:
    """Outages are OSErrors, and a missing topic is beyond help."""
    if isinstance(error, OSError):
        return FailureKind.TRANSPORT
    return FailureKind.PROTOCOL if isinstance(error, TopicMissing) else FailureKind.CRASH


def supervisor_of(strategy: Strategy = Strategy.ONE_FOR_ONE) -> Supervisor:
    """A supervisor without children."""
    return Supervisor("test", Supervision(strategy, POLICY), judge)


class Diary:
    """Children that note when they start and stop, and fail when they are told to."""

    def __init__(self) -> None:
        self.entries: list[str] = []
        self.errors: dict[str, BaseException] = {}
        self._told: dict[str, anyio.Event] = {}

    def child(self, name: str, goodbye: float = 0.0) -> Run:
        """A child that lives until told otherwise and takes *goodbye* seconds to stop."""

        async def live() -> None:
            self.entries.append(f"start {name} at {asyncio.get_running_loop().time():g}")
            self._told[name] = anyio.Event()
            try:
                await self._told[name].wait()
            except asyncio.CancelledError:
                with anyio.CancelScope(shield=True):
                    await pass_time(goodbye)
                self.entries.append(f"stop {name}")
                raise
            if name in self.errors:
                raise self.errors[name]

        return live

    def end(self, name: str, error: BaseException | None = None) -> None:
        """The child ends, by itself or with an error."""
        self.errors.pop(name, None)
        if error is not None:
            self.errors[name] = error
        self._told[name].set()

    def starts(self, name: str) -> int:
        """How often a child was started."""
        return sum(each.startswith(f"start {name} ") for each in self.entries)


def test_starts_in_order_and_stops_in_reverse() -> None:
    """What was built on others goes first."""
    diary, supervisor = Diary(), supervisor_of()
    for name in "abc":
        supervisor.add(name, diary.child(name))

    async def scenario() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(supervisor.run())
            await pass_time(1)
            supervisor.stop()

    run(scenario())

    expected = ["start a at 0", "start b at 0", "start c at 0", "stop c", "stop b", "stop a"]
    assert expected == diary.entries


def test_a_crashed_child_starts_again_after_its_back_off_and_alone() -> None:
    """The others do not notice."""
    diary, supervisor = Diary(), supervisor_of()
    for name in "ab":
        supervisor.add(name, diary.child(name))

    async def scenario() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(supervisor.run())
            for _ in range(2):
                await pass_time(5)
                diary.end("a", ValueError("no"))
            await pass_time(5)
            supervisor.stop()

    run(scenario())

    starts = [each for each in diary.entries if each.startswith("start")]
    assert starts == ["start a at 0", "start b at 0", "start a at 6", "start a at 12"]


def test_gives_up_with_the_last_error_as_the_cause() -> None:
    """The limit is ours; what is to be mended is the child's."""
    supervisor, last = supervisor_of(), ValueError("no")

    async def crash() -> None:
        raise last

    supervisor.add("a", crash)

    with pytest.raises(RestartLimitReached) as caught:
        run(supervisor.run())

    assert last is caught.value.__cause__
    assert supervisor.restarts == 3


def test_an_outage_never_escalates() -> None:
    """A broker that is away for a day is waited for."""
    supervisor, tries = supervisor_of(), list[float]()

    async def connect() -> None:
        tries.append(asyncio.get_running_loop().time())
        if tries[-1] < 86_400:
            raise ConnectionRefusedError

    supervisor.add("a", connect)

    run(supervisor.run())

    assert tries[:6] == [0.0, 1.0, 3.0, 7.0, 15.0, 23.0]
    assert 86_400 <= tries[-1] < 86_409


def test_what_no_restart_can_help_goes_up_as_it_is() -> None:
    """The very same object, so that `except TopicMissing` works."""
    supervisor, error = supervisor_of(), TopicMissing("orders")
    diary = Diary()

    async def start() -> None:
        raise error

    supervisor.add("before", diary.child("before"))
    supervisor.add("a", start)

    with pytest.raises(TopicMissing) as caught:
        run(supervisor.run())

    assert error is caught.value
    assert diary.entries[-1] == "stop before"


def test_ends_when_every_child_is_done() -> None:
    """To return is to be done for good."""
    supervisor = supervisor_of()
    supervisor.add("a", lambda: pass_time(1))
    supervisor.add("b", lambda: pass_time(2))

    assert run(supervisor.run()) == (None, 2.0)


def test_a_stray_cancellation_of_a_client_is_a_crash() -> None:
    """A child must not end in nothing because its library raised CancelledError by itself."""
    supervisor, tries = supervisor_of(), list[int]()

    async def client() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise asyncio.CancelledError

    supervisor.add("a", client)

    run(supervisor.run())

    assert len(tries) == 2


def test_a_child_that_cancelled_its_own_task_starts_again() -> None:
    """Old time-out libraries leave such a mark on the task; it is nobody's wish to stop."""
    supervisor, tries = supervisor_of(), list[int]()

    async def client() -> None:
        tries.append(1)
        if len(tries) == 1:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await pass_time(1)

    supervisor.add("a", client)

    run(supervisor.run())

    assert len(tries) == 2


def test_a_cancelled_supervisor_stops_its_children() -> None:
    """No task outlives the one that owns it."""
    diary, supervisor = Diary(), supervisor_of()
    supervisor.add("a", diary.child("a", goodbye=1.0))

    async def scenario() -> None:
        with anyio.move_on_after(5):
            await supervisor.run()

    _, seconds = run(scenario())

    assert diary.entries == ["start a at 0", "stop a"]
    assert seconds == 6.0
