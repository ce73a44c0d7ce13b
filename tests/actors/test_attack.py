"""The pump under attack: limits that hold between topics, lost partitions, and handlers that go astray."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import pytest
from tests.actors.scripted import AT, OTHER, READER, RunningConsumer, ScriptedBroker, routes_to
from tests.actors.test_order import Gated, keyed
from tests.simulated import pass_time, run, until

from partita import Message, Retry, Router
from partita.actors.consumer import Consumer, ConsumerSettings
from partita.actors.routes import BoundRoute, TopicRoutes
from partita.backends.kafka.records import KafkaReader
from partita.backends.memory.records import MemoryRecord
from partita.core.ports import Membership, TopicPartition
from partita.testing import Harness

Handler = Callable[[bytes], Awaitable[object]]


def route_of(handler: Handler, order: str, concurrency: int) -> BoundRoute:
    """A route that hands a record's value to *handler*, once."""
    (route,) = routes_to(handler, order=order, concurrency=concurrency).kinds.values()
    return route


class Running:
    """A consumer of several topics, or of several kinds, as a task."""

    def __init__(self, broker: ScriptedBroker, topics: Mapping[str, TopicRoutes], workers: int) -> None:
        membership = Membership("billing", frozenset(topics))
        self.consumer = Consumer(
            ConsumerSettings(membership, workers), broker.subscribe, topics.__getitem__, lambda error: None
        )

    async def __aenter__(self) -> Consumer:
        self.task = asyncio.get_running_loop().create_task(self.consumer.run())
        await asyncio.sleep(0.01)
        return self.consumer

    async def __aexit__(self, *failure: object) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


@pytest.mark.parametrize("order", ["partition", "key", "none"])
def test_a_route_keeps_to_its_concurrency_when_other_topics_have_workers(order: str) -> None:
    """Workers are the member's, calls the route's: one with a concurrency of 2 never has three."""
    partitions = [TopicPartition("orders", number) for number in range(4)]
    handler, broker = Gated(), ScriptedBroker(*partitions)
    topics = {
        "orders": TopicRoutes({None: route_of(handler, order, 2)}, "type", READER),
        "bills": TopicRoutes({None: route_of(Gated(), order, 8)}, "type", READER),
    }

    async def scenario() -> None:
        async with Running(broker, topics, 10) as consumer:
            for at in partitions:
                pairs = [(b"%d" % n, b"%d/%d" % (at.partition, n)) for n in range(5)]
                broker.member.feed_fetch(keyed(at, 0, *pairs))
            while consumer.handled < 20:
                await until(lambda: len(handler.started) > len(handler.done))
                handler.let(*handler.started)
                await pass_time(0.001)
            assert all(each.committable == 5 and not each.open for each in consumer.partitions.values())

    run(scenario())

    assert handler.most == 2


def test_calls_may_wait_in_a_partition_that_was_assigned_twice() -> None:
    """The end of the first lease does not close the holds of the second."""
    broker = ScriptedBroker(AT)

    async def scenario() -> None:
        async def limited(value: bytes) -> None:
            loop = asyncio.get_running_loop()
            ready: asyncio.Future[None] = loop.create_future()
            loop.call_later(0.05, ready.set_result, None)
            route = running.routes.only
            assert route is not None
            await route.holds.wait(AT, ready, "rate limit")

        async with RunningConsumer(broker, limited) as running:
            broker.member.listener.assigned([AT])
            broker.member.feed(AT, b"1")
            await until(lambda: running.consumer.handled == 1, 1.0)

    run(scenario())


@pytest.mark.parametrize("suspending", [False, True])
def test_a_message_whose_key_cannot_be_told_is_not_lost(suspending: bool) -> None:
    """It fails as if its handler had: tried, parked, and never committed; the others are handled."""
    router = Router(retry=Retry(attempts=2, backoff=0.1))
    handled = list[bytes]()

    def customer(message: Message) -> bytes:
        return {b"1": b"a", b"2": b"b", b"3": b"a"}[message.value or b""]

    @router.handler("orders", order="key", key_from=customer)
    async def charge(value: bytes) -> None:
        handled.append(value)
        if suspending:
            await asyncio.sleep(0.01)

    async def scenario() -> None:
        async with Harness(router, partitions=1) as harness:
            await harness.feed("orders", b"1", b"poison", b"2", b"3")
            await harness.run()
            told = [(each.status, each.error) for each in harness.outcomes if each.status != "done"]
            assert told == [("parked", "KeyError: b'poison'")]

    run(scenario())

    assert handled == [b"1", b"2", b"3"]


@pytest.mark.parametrize(("order", "concurrency"), [("key", 4), ("partition", 1)])
def test_a_handler_that_swallows_the_cancellation_is_the_last(order: str, concurrency: int) -> None:
    """When the consumer ends, neither its lane nor its slice goes on behind such a handler."""
    broker, started = ScriptedBroker(AT), list[bytes]()

    async def swallowing(value: bytes) -> None:
        started.append(value)
        try:
            await pass_time(10)
        except asyncio.CancelledError:
            return

    async def scenario() -> None:
        async with RunningConsumer(broker, swallowing, order=order, concurrency=concurrency) as running:
            broker.member.feed_fetch(keyed(AT, 0, *[(b"k", b"%d" % number) for number in range(5)]))
            await until(lambda: started)
            await pass_time(0.1)
            running.task.cancel()
            await asyncio.wait([running.task])

    run(scenario())

    assert started == [b"0"]


def test_a_worker_whose_handler_was_given_up_is_not_cancelled_any_more() -> None:
    """Whatever the handler made of it: task groups and timeouts of the next one count cancellations."""
    broker, counts = ScriptedBroker(AT, OTHER), list[int]()

    async def scenario() -> None:
        async def converting(value: bytes) -> None:
            task = asyncio.current_task()
            assert task is not None
            if value == b"next":
                counts.append(task.cancelling())
                return
            try:
                await pass_time(10)
            except asyncio.CancelledError:
                raise ConnectionError("interrupted") from None

        async with RunningConsumer(broker, converting, concurrency=1) as running:
            broker.member.feed(AT, b"first")
            await pass_time(0.1)
            broker.member.listener.lost([AT])
            broker.member.feed(OTHER, b"next")
            await until(lambda: running.consumer.handled == 1)

    run(scenario())

    assert counts == [0]


def kind_of(kind: bytes, offset: int, key: bytes = b"") -> MemoryRecord:
    """A message of a kind, whose value is its kind and offset."""
    return MemoryRecord("orders", 0, offset, 0, key, b"%s%d" % (kind, offset), [("type", kind)])


def test_a_call_of_one_kind_waits_for_its_own_limit_behind_one_of_another() -> None:
    """Kinds share the lane of a key; what comes next in it counts against its own route."""
    handler, broker = Gated(), ScriptedBroker(AT)
    kinds: dict[str | None, BoundRoute] = {name: route_of(handler, "key", 1) for name in ("a", "b")}

    async def scenario() -> None:
        async with Running(broker, {"orders": TopicRoutes(kinds, "type", READER)}, 2) as consumer:
            fetch = broker.fetch(AT, *[b""] * 3)
            fetch.records = [kind_of(b"a", 0, b"k"), kind_of(b"b", 1, b"k"), kind_of(b"b", 2, b"j")]
            broker.member.feed_fetch(fetch)
            await until(lambda: len(handler.started) == 2)
            handler.let(b"a0")
            await pass_time(0.1)
            assert handler.started == [b"a0", b"b2"]
            handler.let(b"b1", b"b2")
            await until(lambda: consumer.handled == 3)

    run(scenario())


def test_what_waits_for_a_call_goes_on_when_the_next_in_line_is_lost() -> None:
    """The partition whose turn it was goes away before it takes it: the one behind it gets the turn."""
    first, second, third = (TopicPartition("orders", number) for number in range(3))
    other = TopicPartition("bills", 0)
    handler, broker = Gated(), ScriptedBroker(first, second, third, other)

    async def losing(value: bytes) -> None:
        broker.member.listener.lost([second])

    topics = {
        "orders": TopicRoutes({None: route_of(handler, "none", 1)}, "type", READER),
        "bills": TopicRoutes({None: route_of(losing, "none", 3)}, "type", READER),
    }

    async def scenario() -> None:
        async with Running(broker, topics, 4) as consumer:
            for number, at in enumerate((first, second, third)):
                broker.member.feed(at, b"%d" % number)
            await until(lambda: consumer.partitions[third].open)
            handler.let(b"0", b"2")
            consumer.partitions[other].feed(broker.fetch(other, b"bill"))
            await until(lambda: handler.done == [b"0", b"2"])

    run(scenario())

    assert handler.started == [b"0", b"2"]


def test_a_kafka_header_that_is_null_reads_as_empty() -> None:
    """Kinds, trace contexts and dead letters are made of bytes; a null in them would crash the pump."""
    record = MemoryRecord("orders", 0, 0, 0, None, b"1", [("type", None), ("n", b"1")])  # type: ignore[list-item]

    assert KafkaReader().headers(record) == (("type", b""), ("n", b"1"))
