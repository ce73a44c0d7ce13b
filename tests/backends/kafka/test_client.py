"""How clients are started, ended and thrown away, with fakes that fail as the client does."""

import asyncio
import gc
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import (
    CommitFailedError,
    GroupLoadInProgressError,
    KafkaConnectionError,
    NotCoordinatorForGroupError,
    OffsetMetadataTooLargeError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.protocol.commit import OffsetFetchRequest

from partita.backends.kafka import client
from partita.backends.kafka.calls import begin, leave
from partita.backends.kafka.coordination import heed_errors_of_the_group
from partita.backends.kafka.probing import PRIVATE, probe
from partita.core.errors import SettingsError
from partita.core.ports import Commit, TopicPartition


class Connection:
    """A socket that knows whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        """Remember it."""
        self.closed = True


class Stubborn(AIOKafkaConsumer):
    """A consumer whose start and stop do as a test says."""

    def __init__(self, start: Any = None, stop: Any = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._doing = {"start": start, "stop": stop}
        self.connection = Connection()
        self._client._conns["node"] = self.connection

    async def start(self) -> None:
        """As the test says."""
        await self._doing["start"]()

    async def stop(self) -> None:
        """As the test says; the real one marks itself closed first."""
        self._closed = True
        await self._doing["stop"]()


async def never() -> None:
    """Hang."""
    await asyncio.Event().wait()


async def stray() -> None:
    """A cancellation that nobody asked for."""
    raise asyncio.CancelledError


async def refused() -> None:
    """What a client raises."""
    raise KafkaConnectionError("no")


@pytest.mark.parametrize("stop", [never, stray, refused])
def test_a_client_that_does_not_stop_has_its_sockets_closed(stop: Any) -> None:
    """Whether it hangs, fails, or raises a cancellation (aiokafka issue 647); closing raises nothing."""

    async def scenario() -> None:
        consumer = Stubborn(stop=stop)

        await client.end(consumer, 0.05)

        assert consumer.connection.closed

    asyncio.run(scenario())


def test_a_cancelled_end_still_closes_the_sockets() -> None:
    """The stop cannot be repeated, so the rest happens without the one who was cancelled."""

    async def scenario() -> None:
        consumer = Stubborn(stop=never)
        ending = asyncio.ensure_future(client.end(consumer, 30.0))
        await asyncio.sleep(0.01)

        ending.cancel()
        await asyncio.wait({ending})
        await asyncio.sleep(0.05)

        assert ending.cancelled()
        assert consumer.connection.closed

    asyncio.run(scenario())


def test_a_client_that_does_not_start_in_time_is_unreachable() -> None:
    """The deadline is ours, and the error the client's own kind."""

    async def scenario() -> None:
        consumer = Stubborn(start=never)
        with pytest.raises(KafkaConnectionError):
            await client.start(consumer, 0.02)
        await client.force(consumer)

    asyncio.run(scenario())


def test_a_start_that_fails_after_its_deadline_prints_no_traceback() -> None:
    """Whoever waited was told already."""

    async def scenario() -> None:
        complaints: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        late = asyncio.Event()

        async def refused_late() -> None:
            await late.wait()
            raise KafkaConnectionError("no")

        with pytest.raises(KafkaConnectionError, match="answered"):
            await client.start(Stubborn(start=refused_late), 0.01)
        late.set()
        await asyncio.sleep(0.01)
        gc.collect()

        assert complaints == []

    asyncio.run(scenario())


def test_a_failed_start_raises_the_clients_error_and_leaves_nothing_open() -> None:
    """The same error, not a copy and not wrapped."""
    raised = KafkaConnectionError("no")

    async def fail() -> None:
        raise raised

    async def scenario() -> None:
        consumer = Stubborn(start=fail)
        with pytest.raises(KafkaConnectionError) as seen:
            await client.start(consumer, 1.0)

        assert seen.value is raised
        assert consumer.connection.closed

    asyncio.run(scenario())


def test_an_aiokafka_without_a_private_name_is_refused_by_name() -> None:
    """An update of the client that moves one fails at the start, not in the middle of the night."""

    class Renamed:
        def __init__(self) -> None:
            self.other = 1

    with pytest.raises(SettingsError, match=r"Renamed\._gone"):
        probe([(Renamed, ("other", "_gone"))])


def test_the_installed_aiokafka_has_every_private_name() -> None:
    """The list is complete for the release that is pinned."""
    missing = [
        name
        for owner, names in PRIVATE
        for name in names
        if not hasattr(owner, name) and name not in owner.__init__.__code__.co_names  # type: ignore[misc]
    ]

    probe()

    assert not missing


def test_what_is_left_alone_says_how_it_failed(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing that nobody waits for disappears without a word."""

    async def scenario() -> None:
        leave(begin(refused()))
        await asyncio.sleep(0.01)

    with caplog.at_level(logging.INFO, "partita.kafka"):
        asyncio.run(scenario())

    assert "KafkaConnectionError" in caplog.text


class Coordinator:
    """A group coordinator that is away for a while, and then answers as a test says."""

    def __init__(self, on_return: Callable[[], int], *answers: Exception | None) -> None:
        self.generation = 3
        self.sent: list[object] = []
        self._on_return, self._answers = on_return, list(answers)
        self._commit_lock, self._retry_backoff_ms = asyncio.Lock(), 1

    async def ensure_coordinator_known(self) -> None:
        """It comes back, under whatever generation the member has by then."""
        await asyncio.sleep(0)
        self.generation = self._on_return()

    async def _do_commit_offsets(self, _: object, offsets: object) -> None:
        self.sent.append(offsets)
        if (answer := self._answers.pop(0)) is not None:
            raise answer


def commit_with(coordinator: Coordinator, metadata: str = "") -> None:
    """Commit one offset."""
    consumer = SimpleNamespace(_coordinator=coordinator)
    asyncio.run(client.commit(consumer, 3, {TopicPartition("t", 0): Commit(5, metadata)}))


def test_a_commit_is_repeated_while_the_coordinator_is_away() -> None:
    """What the client calls retriable is no outcome yet."""
    coordinator = Coordinator(lambda: 3, NotCoordinatorForGroupError(), None)

    commit_with(coordinator)

    assert coordinator.sent == [{("t", 0): (5, "")}] * 2


def test_a_commit_that_waited_while_the_group_went_on_is_not_sent() -> None:
    """It says what was finished under the generation that it was made in, and another owner may be ahead."""
    coordinator = Coordinator(lambda: 4)

    with pytest.raises(CommitFailedError):
        commit_with(coordinator)

    assert coordinator.sent == []


def test_a_commit_is_not_repeated_under_another_generation() -> None:
    """After a lost session it would pass for one from outside the group and move the offset back."""
    generations = iter([3, -1])
    coordinator = Coordinator(lambda: next(generations), NotCoordinatorForGroupError())

    with pytest.raises(CommitFailedError):
        commit_with(coordinator)

    assert len(coordinator.sent) == 1


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (RebalanceInProgressError(), CommitFailedError),
        (UnknownMemberIdError(), CommitFailedError),
        (OffsetMetadataTooLargeError(), OffsetMetadataTooLargeError),
    ],
)
def test_a_refused_commit_raises_what_the_client_would(answer: Exception, seen: type[Exception]) -> None:
    """The three refusals of a group that has moved on are one error; others are their own."""
    with pytest.raises(seen):
        commit_with(Coordinator(lambda: 3, answer))


def test_metadata_that_the_broker_finds_too_long_does_not_hold_up_its_offset() -> None:
    """A broker may permit less than its default; the offset is stored without the metadata then."""
    coordinator = Coordinator(lambda: 3, OffsetMetadataTooLargeError(), None)

    commit_with(coordinator, "long")

    assert coordinator.sent == [{("t", 0): (5, "long")}, {("t", 0): (5, "")}]


class Answering:
    """A coordinator that answers as a test says."""

    def __init__(self, *answers: object) -> None:
        self.dead = 0
        self._answers = list(answers)

    async def _send_req(self, request: object) -> object:
        return self._answers.pop(0)

    def coordinator_dead(self) -> None:
        """It is another broker's now."""
        self.dead += 1


@pytest.mark.parametrize(
    ("code", "seen", "dead"), [(14, GroupLoadInProgressError, 0), (16, NotCoordinatorForGroupError, 1)]
)
def test_a_group_that_cannot_answer_is_not_one_that_never_committed(
    code: int, seen: type[Exception], dead: int
) -> None:
    """Or its members would read everything from the start again, or skip it."""
    refusal, answer = SimpleNamespace(error_code=code), SimpleNamespace(error_code=0)
    coordinator = Answering(refusal, answer, "another answer")
    heed_errors_of_the_group(SimpleNamespace(_coordinator=coordinator))
    question = OffsetFetchRequest("g", [("t", [0])])

    with pytest.raises(seen):
        asyncio.run(coordinator._send_req(question))

    assert asyncio.run(coordinator._send_req(question)) is answer
    assert asyncio.run(coordinator._send_req("another request")) == "another answer"
    assert coordinator.dead == dead


def test_a_producer_whose_sender_has_ended_is_not_alive() -> None:
    """It would take messages and never send them (aiokafka issue 1004)."""

    async def scenario() -> None:
        producer = AIOKafkaProducer()  # type: ignore[no-untyped-call]
        before = client.is_alive(producer)
        await producer.stop()  # type: ignore[no-untyped-call]

        assert not before
        assert not client.is_alive(producer)

    asyncio.run(scenario())


def test_a_topic_is_made_only_when_the_controller_is_known() -> None:
    """A broker that has just started names none at first, and the client would fall over that."""

    class Cluster:
        controller: object = None

    class Network:
        cluster = Cluster()
        asked = 0

        async def force_metadata_update(self) -> None:
            self.asked += 1
            if self.asked == 3:
                self.cluster.controller = "node 1"

    class Admin:
        _client = Network()

    asyncio.run(client.know_controller(Admin()))

    assert Admin._client.asked == 3
