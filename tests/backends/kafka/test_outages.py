"""A broker that is killed, started again, or frozen under open clients."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError
from tests.backends.kafka.members import Listener, backend, connections, fresh, member, read, until
from tests.brokers import Server

from partita.backends.kafka.backend import KafkaBackend
from partita.backends.kafka.settings import Deadlines, kafka_settings
from partita.backends.kafka.subscription import KafkaSubscription
from partita.core.client_settings import KafkaSettings
from partita.core.errors import Closed
from partita.core.ports import Commit, Outgoing, TopicPartition

SHORT = Deadlines(start=4.0, close=2.0, request=2.0, delivery=4.0)


async def bounded(call: Awaitable[object], seconds: float) -> None:
    """Fails the test when *call* takes longer."""
    await asyncio.wait_for(call, seconds)


def test_a_broker_killed_and_started_again_is_used_on(own_kafka: Server) -> None:
    """Subscription, publisher and admin go on by themselves; nothing acknowledged is lost."""

    async def scenario() -> None:
        topic, group = fresh("restart"), fresh("group")
        async with backend(own_kafka.address) as used:
            await used.create_topic(topic, partitions=2, replication=1)
            subscription, listener = used.subscription(member(topic, group)), Listener()
            await subscription.start(listener)
            before = [used.publisher.send(topic, Outgoing(b"%d" % n)) for n in range(100)]
            await asyncio.gather(*before)
            found = await read(subscription, 100)

            await asyncio.to_thread(own_kafka.kill)
            during = [used.publisher.send(topic, Outgoing(b"%d" % n)) for n in range(100, 200)]
            assert not await subscription.poll((), 0.3)
            await asyncio.to_thread(own_kafka.start)
            await asyncio.gather(*during)
            found += await read(subscription, 100)

            assert sorted(int(record.value) for record in found) == list(range(200))
            ends = {record.partition: record.offset + 1 for record in found}
            offsets = {TopicPartition(topic, n): end for n, end in ends.items()}
            assert not await eventually_committed(subscription, offsets)
            await eventually(used.ping)
            assert topic in await used.list_topics()

    asyncio.run(scenario())


async def eventually_committed(
    subscription: KafkaSubscription, offsets: Mapping[TopicPartition, int]
) -> Mapping[TopicPartition, Exception]:
    """The errors of the first commit that has none, or of the last tried."""
    commits = {at: Commit(offset) for at, offset in offsets.items()}
    errors = await subscription.commit(commits)
    for _ in range(50):
        if not errors:
            break
        await subscription.poll((), 0.2)
        errors = await subscription.commit(commits)
    return errors


async def eventually(call: Callable[[], Awaitable[object]]) -> None:
    """Call until it succeeds; the error of the last of many tries fails the test."""
    for _ in range(600):
        try:
            return await _nothing(call)
        except KafkaError:
            await asyncio.sleep(0.05)
    await call()


async def _nothing(call: Callable[[], Awaitable[object]]) -> None:
    await call()


def test_a_frozen_broker_bounds_every_call_and_is_used_on_when_it_thaws(own_kafka: Server) -> None:
    """Publishing says that the outcome is unknown; commit and ping say that no answer came."""

    async def scenario() -> None:
        topic = fresh("frozen")
        async with backend(own_kafka.address, SHORT) as used:
            await used.create_topic(topic, partitions=1, replication=1)
            subscription = used.subscription(member(topic))
            await subscription.start(Listener())
            await used.publisher.publish(topic, Outgoing(b"x"))
            await read(subscription, 1)
            own_kafka.freeze()
            try:
                late = asyncio.ensure_future(used.publisher.publish(topic, Outgoing(b"y")))
                with pytest.raises(KafkaTimeoutError):
                    await used.ping()
                errors = await subscription.commit({TopicPartition(topic, 0): Commit(1)})
                again = await subscription.commit({TopicPartition(topic, 0): Commit(1)})
                assert not await subscription.poll((), 0.2)
                with pytest.raises(KafkaTimeoutError, match="unknown"):
                    await late
            finally:
                own_kafka.thaw()

            assert isinstance(errors[TopicPartition(topic, 0)], KafkaTimeoutError)
            assert isinstance(again[TopicPartition(topic, 0)], KafkaTimeoutError)
            await eventually(used.ping)
            stored = await used.publisher.publish(topic, Outgoing(b"z"))
            assert stored.offset >= 1
            assert not await eventually_committed(subscription, {TopicPartition(topic, 0): 1})

    asyncio.run(scenario())


def test_while_the_buffer_is_full_publish_waits_in_order_and_send_refuses(own_kafka: Server) -> None:
    """Memory is bounded while the broker is away; a wait that is cancelled meanwhile has sent nothing."""

    async def scenario() -> None:
        topic = fresh("full")
        settings = KafkaSettings(buffer_bytes=3_000)
        made = KafkaBackend(kafka_settings(f"kafka://{own_kafka.address}", {}, settings=settings))
        await made.open()
        publisher = made.publisher
        await made.create_topic(topic, partitions=1, replication=1)
        await publisher.publish(topic, Outgoing(b"0" * 1000))
        own_kafka.freeze()
        try:
            post = publisher.posts[topic]
            calls = [asyncio.ensure_future(post(b"%d" % n * 1000, None, (), None, None)) for n in range(1, 7)]
            with pytest.raises(asyncio.QueueFull, match="3000"):
                publisher.send(topic, Outgoing(b"refused"))
            calls[3].cancel()
            pending = publisher.pending_bytes, publisher.pending_since
        finally:
            own_kafka.thaw()
        results = await asyncio.gather(*calls, return_exceptions=True)
        subscription = made.subscription(member(topic))
        await subscription.start(Listener())
        records = await read(subscription, 6)
        after = publisher.pending_bytes, publisher.pending_since
        await made.close()

        assert 2_000 < pending[0] <= 3_000
        assert pending[1] is not None
        assert after == (0, None)
        assert isinstance(results[3], asyncio.CancelledError)
        assert [record.value[:1] for record in records] == [b"0", b"1", b"2", b"3", b"5", b"6"]

    asyncio.run(scenario())


@pytest.mark.parametrize("how", ["freeze", "kill"])
def test_closing_is_bounded_while_the_broker_is_away(own_kafka: Server, how: str) -> None:
    """Whatever was under way ends with an error, and no socket stays."""

    async def scenario() -> None:
        topic = fresh("away")
        async with backend(own_kafka.address, SHORT) as used:
            await used.create_topic(topic, partitions=1, replication=1)
            subscription = used.subscription(member(topic))
            await subscription.start(Listener())
            await used.publisher.publish(topic, Outgoing(b"x"))
            await read(subscription, 1)
            getattr(own_kafka, how)()
            under_way = used.publisher.send(topic, Outgoing(b"y"))
            polling = asyncio.ensure_future(subscription.poll((), 30.0))
            await asyncio.sleep(0.05)

            await bounded(used.close(), 30.0)

            await asyncio.wait({polling})
            assert under_way.done()
            assert isinstance(under_way.exception(), KafkaError | Closed)
            await until(lambda: connections(own_kafka.address) == 0)

    try:
        asyncio.run(scenario())
    finally:
        if how == "freeze":
            own_kafka.thaw()
        own_kafka.start()


def test_a_frozen_broker_cannot_be_opened_and_says_so_in_time(own_kafka: Server) -> None:
    """A socket that is accepted and never answered is no connection."""

    async def scenario() -> None:
        own_kafka.freeze()
        try:
            with pytest.raises(KafkaConnectionError):
                async with backend(own_kafka.address, SHORT):
                    pass
        finally:
            own_kafka.thaw()
        await until(lambda: connections(own_kafka.address) == 0)

    asyncio.run(scenario())


def test_a_broker_away_at_the_first_message_is_tried_again_with_the_next(own_kafka: Server) -> None:
    """A producer that could not start is not kept."""

    async def scenario() -> None:
        topic = fresh("first")
        async with backend(own_kafka.address) as used:
            await used.create_topic(topic, partitions=1, replication=1)
            await asyncio.to_thread(own_kafka.kill)
            with pytest.raises(KafkaConnectionError):
                await used.publisher.publish(topic, Outgoing(b"x"))
            await asyncio.to_thread(own_kafka.start)

            assert (await used.publisher.publish(topic, Outgoing(b"x"))).offset == 0

    asyncio.run(scenario())
