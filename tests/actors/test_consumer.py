"""One membership: joining, intake, health, and what makes it fail."""

import asyncio
from collections.abc import Mapping

import anyio
from tests.actors.scripted import AT, OTHER, Outage, RunningConsumer, ScriptedBroker, Worker
from tests.simulated import pass_time, run, until

from partita import Part, RouteError
from partita.actors.routes import TopicRoutes
from partita.actors.supervisor import Supervisor
from partita.core.flow import DEFAULT_BYTES
from partita.core.restarts import FailureKind, Supervision


def test_a_client_in_trouble_fails_the_consumer_with_the_very_error() -> None:
    """A client is rebuilt, never repaired; and its error arrives as it was raised."""
    broker, error = ScriptedBroker(AT), Outage("away")

    async def scenario() -> None:
        async with RunningConsumer(broker, Worker()) as running:
            assert running.consumer.joined
            broker.member.fail(error)
            await asyncio.wait([running.task])
            assert error is running.task.exception()
            assert broker.member.closed
            assert not running.consumer.joined
            assert repr(running.consumer) == "<Consumer 'billing' not joined: 0 partitions>"

    run(scenario())


def test_a_restarted_consumer_has_a_new_client_and_goes_on_from_the_commit() -> None:
    """The messages between the commit and the failure are read again by whoever owns them next."""
    broker, worker = ScriptedBroker(AT), Worker()
    running = RunningConsumer(broker, worker)

    async def scenario() -> None:
        supervisor = Supervisor("bus", Supervision(), lambda name, error: FailureKind.TRANSPORT)
        supervisor.add("consumer", running.consumer.run)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(supervisor.run())
            await until(lambda: running.consumer.joined)
            broker.member.feed(AT, b"1")
            await until(lambda: broker.stored.get(AT) == 1)
            broker.start_errors = [Outage("still away"), Outage("still away")]
            broker.member.fail(Outage("away"))
            await until(lambda: len(broker.members) == 4 and running.consumer.joined)
            broker.member.feed(AT, b"2")
            await until(lambda: broker.stored.get(AT) == 2)
            assert running.consumer.handled == 2
            await running.consumer.drain()

    run(scenario())

    assert worker.values == [b"1", b"2"]
    assert all(member.closed for member in broker.members)


def test_health_is_red_from_the_first_failure_until_joined_again() -> None:
    """Several failures in a row are one time of trouble."""
    broker = ScriptedBroker()
    running = RunningConsumer(broker, Worker())
    parts = list[tuple[bool, str, float]]()

    async def scenario() -> None:
        broker.start_errors = [Outage("away"), Outage("away")]
        supervisor = Supervisor("bus", Supervision(), lambda name, error: FailureKind.TRANSPORT)
        supervisor.add("consumer", running.consumer.run)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(supervisor.run())
            await until(lambda: len(broker.members) == 2)
            part = running.consumer.parts[f"consumer {running.consumer.name}"]
            parts.append((part.healthy, part.reason, part.since))
            await until(lambda: running.consumer.joined)
            assert all(part.healthy for part in running.consumer.parts.values())
            await running.consumer.drain()

    run(scenario())

    ((healthy, reason, since),) = parts
    assert (healthy, reason) == (False, "Outage: away")
    assert 0.3 < since < 0.8


def test_readiness_follows_what_the_group_says() -> None:
    """Ready with a share, not between giving it up and the next, nor after a loss, nor while it fails."""
    broker = ScriptedBroker(AT)
    seen = list[tuple[bool, str]]()

    async def scenario() -> None:
        async with RunningConsumer(broker, Worker()) as running:

            def look() -> None:
                part = running.consumer.readiness
                seen.append((part.healthy, part.reason))

            look()
            await broker.member.listener.revoked([AT])
            look()
            broker.member.listener.assigned([AT, OTHER])
            look()
            broker.member.listener.lost([AT])
            look()
            broker.member.listener.assigned([])
            look()
            broker.member.fail(Outage("away"))
            await asyncio.wait([running.task])
            look()

    run(scenario())

    assert seen == [
        (True, "consumer billing has 1 partition"),
        (False, "consumer billing has given its partitions up, and waits for its share of them"),
        (True, "consumer billing has 2 partitions"),
        (False, "consumer billing has lost its partitions, and waits for its share of them"),
        (True, "consumer billing has 1 partition"),
        (False, "consumer billing is to be started again: Outage: away"),
    ]


def test_a_topic_that_cannot_be_served_fails_the_consumer_not_the_client() -> None:
    """The client's callback must not see an error; the poller raises it, and a restart starts afresh."""
    broker, error = ScriptedBroker(AT), RouteError("two patterns")
    running = RunningConsumer(broker, Worker())
    good, errors = running.routes, [error]

    def routes(topic: str) -> TopicRoutes:
        if errors:
            raise errors.pop()
        return good

    running.consumer._routes = routes

    async def scenario() -> None:
        async with running:
            await asyncio.wait([running.task])
            assert error is running.task.exception()
        async with running:
            await pass_time(1)
            assert not running.task.done()
            assert list(running.consumer.partitions) == [AT]

    run(scenario())


def test_a_full_partition_takes_nothing_more_until_half_is_handled() -> None:
    """The gate bounds what waits in this process, partition by partition."""
    broker, go = ScriptedBroker(AT, OTHER), anyio.Event()
    half = b"x" * (DEFAULT_BYTES // 2)

    async def handle(value: bytes) -> None:
        await go.wait()

    async def scenario() -> None:
        async with RunningConsumer(broker, handle):
            for _ in range(4):
                broker.member.feed(AT, half)
            await pass_time(1)
            assert broker.member.polled_closed[-1] == (AT,)
            broker.member.feed(OTHER, b"1")
            go.set()
            await until(lambda: broker.stored == {AT: 4, OTHER: 1})
            await pass_time(1)
            assert not broker.member.polled_closed[-1]

    run(scenario())


def test_a_partition_that_is_open_again_is_read_at_once() -> None:
    """A poll that waits for others must not let a fast handler wait with it."""
    broker = ScriptedBroker(AT)

    async def scenario() -> None:
        async with RunningConsumer(broker, Worker()):
            for _ in range(50):
                broker.member.feed(AT, b"x" * DEFAULT_BYTES)
            await until(lambda: broker.stored.get(AT) == 50)

    _, seconds = run(scenario())

    assert seconds < 2


def test_what_comes_for_a_partition_that_went_is_dropped() -> None:
    """Its next owner reads it again."""
    broker, worker = ScriptedBroker(AT), Worker()

    async def scenario() -> None:
        async with RunningConsumer(broker, worker):
            broker.member.listener.lost([AT])
            broker.member.feed(AT, b"1")
            broker.member.listener.assigned([])
            await pass_time(1)

    run(scenario())

    assert worker.values == []


def test_is_exhausted_when_nothing_is_unread_and_nothing_in_hand() -> None:
    """What waits behind a parked message does not count; what is under way does."""
    broker = ScriptedBroker(AT)

    async def handle(value: bytes) -> None:
        await pass_time(1)
        if value == b"poison":
            raise ValueError("no")

    async def scenario() -> None:
        running = RunningConsumer(broker, handle)
        assert not await running.consumer.exhausted()
        async with running:
            broker.unread = {AT: 1}
            assert not await running.consumer.exhausted()
            broker.unread = {AT: 0}
            assert await running.consumer.exhausted()
            broker.member.feed(AT, b"1", b"poison", b"2")
            await pass_time(0.01)
            assert not await running.consumer.exhausted()
            broker.unread = {AT: 7}
            await until(lambda: running.consumer.parked)
            assert await running.consumer.exhausted()

    run(scenario())


def test_a_cancelled_consumer_still_leaves_its_group() -> None:
    """The group counts the member until it says goodbye."""
    broker = ScriptedBroker(AT)

    async def scenario() -> None:
        async with RunningConsumer(broker, Worker()):
            pass

    run(scenario())

    assert broker.member.closed


def test_health_names_a_parked_message_and_since_when() -> None:
    """The partition is a part of its own, red with handler, place and error; its consumer is green."""
    broker = ScriptedBroker(AT, OTHER)

    async def refuse(value: bytes) -> None:
        raise ValueError("no")

    async def scenario() -> Mapping[str, Part]:
        async with RunningConsumer(broker, refuse) as running:
            broker.member.feed(AT, b"1")
            await until(lambda: bool(list(running.consumer.parked)))
            await pass_time(7)
            return running.consumer.parts

    parts, _ = run(scenario())

    assert {name: part.healthy for name, part in parts.items()} == {
        "consumer billing": True,
        "orders/0": False,
    }
    assert parts["orders/0"].reason == "orders/0@0 in handler: ValueError: no"
    assert 7 <= parts["orders/0"].since < 8


def test_the_numbers_of_a_partition_go_on_where_an_earlier_assignment_ended() -> None:
    """What it has now is added to what it had; what waits is counted while it is owned."""
    broker, worker = ScriptedBroker(AT), Worker()
    found = list[Mapping[str, float]]()

    async def scenario() -> None:
        async with RunningConsumer(broker, worker) as running:

            def look() -> None:
                samples = running.consumer.samples()
                found.append({series.name: number for series, number in samples})

            broker.member.feed(AT, b"1")
            await until(lambda: running.consumer.handled == 1)
            look()
            await broker.member.listener.revoked([AT])
            look()
            broker.member.listener.assigned([AT])
            broker.member.feed(AT, b"2")
            await until(lambda: running.consumer.handled == 2)
            look()

    run(scenario())

    handled = [each["partita_handled_messages_total"] for each in found]
    assert handled == [each["partita_consumed_messages_total"] for each in found] == [1, 1, 2]
    assert ["partita_unfinished_messages" in each for each in found] == [True, False, True]
    assert found[2]["partita_received_bytes_total"] == 2 * found[0]["partita_received_bytes_total"]
