"""Health of a bus: the broker is asked, and every consumer and parked message is named."""

import asyncio

import pytest
from tests.faulty import FaultyBackend, Outage
from tests.simulated import pass_time, run, until

from partita import EventBus, Retry, TopicMissing, open_bus
from partita.probe import BrokerProbe


def test_a_parked_message_is_red_until_it_is_handled() -> None:
    """With handler, topic, partition, offset and error; then green by itself."""
    broken = [True]

    async def handle(value: bytes) -> None:
        if broken[0]:
            raise ValueError("no")

    async def scenario() -> None:
        async with open_bus() as bus:
            await bus.subscribe("orders", handle, retry=Retry(attempts=1))
            assert (await bus.health_check()).healthy
            receipt = await bus.publish("orders", b"1")
            await pass_time(1)
            health = await bus.health_check()
            part = health.parts[f"orders/{receipt.partition}"]
            assert not health.healthy
            assert part.reason.endswith("handle: ValueError: no")
            broken[0] = False
            await pass_time(60)
            assert (await bus.health_check()).healthy

    run(scenario())


@pytest.mark.parametrize("broken", [0, 1])
def test_a_broken_member_is_not_hidden_by_a_sound_one_of_its_group(broken: int) -> None:
    """Both have the same name; the worse one is told."""
    backend = FaultyBackend()

    async def handle(value: bytes) -> None:
        """Handle."""

    async def scenario() -> None:
        async with EventBus(backend) as bus:
            await bus.subscribe("orders", handle, group="g")
            await bus.subscribe("orders", handle, group="g")
            backend.errors = {"start": Outage("still away")}
            backend.members[broken].error = Outage("away")
            await pass_time(10)
            assert (await bus.health_check()).parts["consumer g"].reason == "Outage: still away"
            backend.errors = {}

    run(scenario())


def test_a_subscription_that_ended_says_nothing_any_more() -> None:
    """A parked message of a member that is gone is its group's next member's."""

    async def handle(value: bytes) -> None:
        raise ValueError("no")

    async def scenario() -> None:
        async with open_bus() as bus:
            subscription = await bus.subscribe("orders", handle, retry=Retry(attempts=1))
            await bus.publish("orders", b"1")
            await until(lambda: subscription.parked)
            await subscription.drain()
            assert subscription.summary.failed == 1
            assert (await bus.health_check()).healthy
            assert not bus.is_running

    run(scenario())


def test_a_broker_that_does_not_answer_is_red_and_since_when() -> None:
    """A question that hangs is not asked twice, and its answer makes the broker green again."""
    backend = FaultyBackend()

    async def scenario() -> None:
        async with EventBus(backend) as bus:
            backend.answers.clear()
            first = (await bus.health_check(timeout=2.0)).parts["broker"]
            await pass_time(10)
            second = (await bus.health_check(timeout=2.0)).parts["broker"]
            assert (first.healthy, first.reason, first.since) == (False, "no answer within 2 s", 0.0)
            assert second.since == pytest.approx(12.0)
            backend.answers.set()
            await pass_time(0.01)
            assert (await bus.health_check()).healthy
            backend.errors = {"ping": Outage("away")}
            third = (await bus.health_check()).parts["broker"]
            assert (third.reason, third.since) == ("Outage: away", 0.0)

    run(scenario())


def test_closing_lets_go_of_a_question_that_hangs() -> None:
    """And of one that failed, and of none."""
    backend = FaultyBackend()

    async def scenario() -> float:
        probe = BrokerProbe(backend)
        await probe.close()
        backend.answers.clear()
        await probe.ask(1.0)
        await probe.close()
        assert (await probe.ask(1.0)).reason == "no answer within 1 s"
        asking = asyncio.get_running_loop().create_task(probe.ask(5.0))
        await pass_time(1)
        await probe.close()
        assert (await asking).reason == "the connection was closed"
        backend.answers.set()
        backend.errors = {"ping": TopicMissing("x")}
        await probe.ask(1.0)
        await probe.close()
        return asyncio.get_running_loop().time()

    assert run(scenario())[0] == pytest.approx(3.0)


def test_the_states_of_all_that_runs_are_told_by_the_bus() -> None:
    """One for each partition, and none of what has ended."""

    async def handle(value: bytes) -> None:
        """Handle."""

    async def scenario() -> None:
        async with open_bus("memory://?partitions=2") as bus:
            subscription = await bus.subscribe("orders", handle)
            await bus.publish("orders", b"1", partition=0)
            await bus.publish("orders", b"1", partition=1)
            await pass_time(5)
            assert [str(each) for each in bus.states()] == [
                "orders/0 caught up for 2 s",
                "orders/1 caught up for 2 s",
            ]
            await subscription.drain()
            assert list(bus.states()) == []

    run(scenario())


def test_a_publisher_whose_messages_are_not_acknowledged_is_red_after_ten_seconds() -> None:
    """With bytes and age; as soon as they are, it is green."""

    async def scenario() -> None:
        backend = FaultyBackend()
        async with EventBus(backend) as bus:
            idle = bus.publisher_backlog()
            backend.publisher.pending_bytes = 4_096
            backend.publisher.pending_since = asyncio.get_running_loop().time()
            await pass_time(9.0)
            young = await bus.health_check()
            await pass_time(6.0)
            old, backlog = await bus.health_check(), bus.publisher_backlog()
            backend.publisher.pending_bytes, backend.publisher.pending_since = 0, None
            after = await bus.health_check()

            assert (idle.bytes, idle.age) == (0, 0.0)
            assert (backlog.bytes, round(backlog.age)) == (4_096, 15)
            assert young.healthy
            assert not old.healthy
            assert old.parts["publisher"].reason.startswith("4096 bytes are not acknowledged")
            assert round(old.parts["publisher"].since) == 5
            assert after.healthy

    run(scenario())
