"""What arrives and is no record is an outcome like any other, whatever the route's order is."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from tests.actors.scripted import AT, RunningConsumer, ScriptedBroker, Worker
from tests.simulated import pass_time, run, until

from partita.actors.messages import OpenMessage
from partita.actors.routes import BoundBatch, BoundRoute, TopicRoutes
from partita.backends.memory.records import MemoryReader, MemoryRecord
from partita.calls import sound
from partita.core.batches import BatchLimits
from partita.core.errors import DecodeError
from partita.core.ports import Flaw
from partita.core.retries import Retry

ORDERS = ("partition", "key", "none")


class WaryReader(MemoryReader):
    """Takes some values for what is no record: one message, a batch of three, one that must not be lost."""

    def flaw(self, record: object, /) -> Flaw | None:
        """What the value says."""
        assert isinstance(record, MemoryRecord)
        error = DecodeError("no record")
        return {
            b"one": Flaw(error, record.offset, b"one"),
            b"batch": Flaw(error, record.offset + 2, b"batch"),
            b"kept": Flaw(error, record.offset, None),
        }.get(record.value or b"")


READER = WaryReader()


def routes(worker: Worker, order: str, letters: list[int] | None = None, **more: object) -> TopicRoutes:
    """One route; with *letters* it has dead letters, whose offsets go there."""

    def plain(record: object, attempt: int) -> Awaitable[object]:
        assert isinstance(record, MemoryRecord)
        return worker(record.value or b"")

    async def bury(message: OpenMessage) -> None:
        assert letters is not None
        letters.append(message.offset)

    found = None if letters is None else bury
    route = BoundRoute("handler", sound(plain, READER), Retry(), order, 1, READER.key, found)
    for name, value in more.items():
        setattr(route, name, value)
    return TopicRoutes({None: route}, "type", READER)


def through(made: TopicRoutes, values: Sequence[bytes], seen: Callable[[RunningConsumer], None]) -> None:
    """Feed the values and look at what has become of them."""
    broker = ScriptedBroker(AT)

    async def scenario() -> None:
        running = RunningConsumer(broker, Worker())
        running.routes = made
        async with running:
            broker.member.feed(AT, *values)
            await pass_time(5.0)
            seen(running)

    run(scenario())


def told(running: RunningConsumer) -> str:
    """The state of the partition."""
    return str(running.consumer.states[0])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("value", [b"one", b"batch"])
def test_with_a_dead_letter_topic_it_goes_there_and_the_partition_moves_on(order: str, value: bytes) -> None:
    """One client that writes nonsense must not stop everybody else's messages."""
    worker, letters = Worker(), list[int]()

    def seen(running: RunningConsumer) -> None:
        assert letters == [1]
        assert worker.values == [b"1", b"2"]
        assert running.broker.stored[AT] == 3

    through(routes(worker, order, letters), [b"1", value, b"2"], seen)


def test_without_one_a_single_message_parks_in_the_order_of_its_route() -> None:
    """Under order="none" nothing waits behind it; under order="partition" everything does."""
    for order, handled in (("partition", [b"1"]), ("key", [b"1", b"2"]), ("none", [b"1", b"2"])):
        worker = Worker()

        def seen(running: RunningConsumer, worker: Worker = worker, handled: list[bytes] = handled) -> None:
            assert worker.values == handled
            assert "parked" in told(running)

        through(routes(worker, order), [b"1", b"one", b"2"], seen)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("value", [b"batch", b"kept"])
def test_a_batch_that_parks_keeps_its_partition_from_being_read(order: str, value: bytes) -> None:
    """What stands behind it would be taken for finished, and the batch for its first message only."""
    worker = Worker()

    def seen(running: RunningConsumer) -> None:
        assert worker.values == [b"1"]
        assert "parked" in told(running)
        assert running.broker.stored.get(AT, 0) <= 1

    through(routes(worker, order), [b"1", value, b"2"], seen)


@pytest.mark.parametrize("order", ORDERS)
def test_what_must_not_be_lost_is_no_dead_letter_and_is_not_dropped(order: str) -> None:
    """A codec that is not installed yet is no fault of the message."""
    worker, letters = Worker(), list[int]()

    def seen(running: RunningConsumer) -> None:
        assert (worker.values, letters) == ([b"1"], [])
        assert "parked" in told(running)

    through(routes(worker, order, letters, drop=True), [b"1", b"kept", b"2"], seen)


def test_it_waits_for_nothing_while_other_messages_take_up_every_call() -> None:
    """It has no call of a handler, so none of the route's is spent, and none is waited for."""
    letters, release = list[int](), asyncio.Event()
    broker = ScriptedBroker(AT)

    async def hang(value: bytes) -> None:
        await release.wait()

    async def scenario() -> None:
        running = RunningConsumer(broker, hang)
        worker = Worker()
        running.routes = routes(worker, "none", letters)
        route = running.routes.kinds[None]
        route.call = sound(lambda record, attempt: hang(b""), READER)
        async with running:
            broker.member.feed(AT, b"1", b"one", b"2")
            await until(lambda: letters == [1])
            release.set()
            await until(lambda: broker.stored.get(AT) == 3)

    run(scenario())


def test_a_batch_handler_is_not_handed_it() -> None:
    """A batch never holds what is no message."""
    letters, batches = list[int](), list[list[bytes | None]]()
    made = routes(Worker(), "partition", letters)

    async def call(records: Sequence[object], attempt: int, named: object) -> None:
        batches.append([READER.value(each) for each in records])

    made.kinds[None].batch = BoundBatch(BatchLimits(size=2, within=0.1), call)

    def seen(running: RunningConsumer) -> None:
        assert letters == [1]
        assert batches == [[b"1", b"2"]]
        assert running.broker.stored[AT] == 3

    through(made, [b"1", b"one", b"2"], seen)


def test_offsets_that_go_back_crash_nothing() -> None:
    """A broker takes what its clients write, and the offset of a record within its batch is theirs."""
    broker = ScriptedBroker(AT)
    values = list[bytes]()

    async def suspend(value: bytes) -> None:
        await asyncio.sleep(0.01)
        values.append(value)

    async def scenario() -> None:
        async with RunningConsumer(broker, suspend, order="none") as running:
            fetch = broker.fetch(AT, b"1", b"2", b"3")
            second = [*fetch.records][1]
            assert isinstance(second, MemoryRecord)
            second.offset = -189
            broker.member.feed_fetch(fetch)
            await until(lambda: broker.stored.get(AT) == 3)
            assert not running.task.done()

    run(scenario())

    assert sorted(values) == [b"1", b"2", b"3"]
