"""Sending without waiting, batches, and failures that nobody awaited."""

import asyncio
import logging

import pytest
from tests.faulty import FaultyBackend, Outage
from tests.simulated import pass_time, run

from partita import EventBus, Outgoing, PublishErrors


def test_a_delivery_gives_the_receipt_as_often_as_it_is_awaited() -> None:
    """Now or later."""

    async def scenario() -> None:
        async with EventBus(FaultyBackend()) as bus:
            delivery = bus.send("orders", b"1", key=b"k")
            first = await delivery
            assert first == await delivery
            assert first.offset == 0
            await bus.flush()

    run(scenario())


def test_sends_of_one_caller_keep_their_order() -> None:
    """Per partition, and across values, keys and headers."""

    async def scenario() -> None:
        async with EventBus(FaultyBackend()) as bus:
            deliveries = [bus.send("orders", b"%d" % number, partition=1) for number in range(50)]
            assert [(await each).offset for each in deliveries] == list(range(50))

    run(scenario())


def test_a_cancelled_waiter_does_not_take_the_message_back() -> None:
    """The delivery goes on, and can be awaited again."""
    backend = FaultyBackend()

    async def scenario() -> None:
        async with EventBus(backend) as bus:
            backend.publisher.go.clear()
            delivery = bus.send("orders", b"1")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await delivery
            backend.publisher.go.set()
            assert (await delivery).offset == 0

    run(scenario())


def test_a_failure_that_somebody_awaits_is_theirs_alone() -> None:
    """The client's own error, and flush has nothing to add."""
    backend = FaultyBackend()

    async def scenario() -> None:
        async with EventBus(backend) as bus:
            with pytest.raises(Outage):
                await bus.send("orders", b"bad")
            await bus.flush()
            late = bus.send("orders", b"bad")
            await pass_time(0.01)
            with pytest.raises(Outage):
                await late
            await bus.flush()

    run(scenario())


def test_a_failure_that_nobody_awaits_is_logged_and_raised_by_flush(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Once; a message that was not acknowledged never ends in nothing, and its bytes never in a log."""
    backend = FaultyBackend()

    async def scenario() -> None:
        async with EventBus(backend) as bus:
            bus.send("orders", b"bad", key=b"secret")
            bus.send("orders", b"good")
            with pytest.raises(PublishErrors, match="1 deliveries failed") as caught:
                await bus.flush()
            assert isinstance(caught.value.exceptions[0], Outage)
            await bus.flush()

    with caplog.at_level(logging.ERROR, "partita.publisher"):
        run(scenario())

    assert [each.getMessage() for each in caplog.records] == ["a message was not acknowledged: Outage: bad"]


def test_flush_waits_for_all_that_is_under_way() -> None:
    """Acknowledged, not only written."""
    backend = FaultyBackend()

    async def scenario() -> None:
        async with EventBus(backend) as bus:
            backend.publisher.go.clear()
            bus.send("orders", b"1")
            asyncio.get_running_loop().call_later(5.0, backend.publisher.go.set)
            await bus.flush()
            assert len(backend.publisher.sent) == 1

    _, seconds = run(scenario())

    assert seconds == pytest.approx(5.0)


def test_a_batch_gives_a_receipt_for_each_message_in_order() -> None:
    """Bytes, nulls and whole messages; none at all is none."""

    async def scenario() -> None:
        async with EventBus(FaultyBackend()) as bus:
            batch = [b"1", None, Outgoing(b"2", key=b"k", partition=3)]
            receipts = await bus.publish_batch("orders", batch)
            assert len(receipts) == 3
            assert receipts[2].partition == 3
            assert await bus.publish_batch("orders", []) == []

    run(scenario())


def test_a_batch_tells_which_messages_failed_and_which_did_not() -> None:
    """By index, with the client's own errors."""

    async def scenario() -> None:
        async with EventBus(FaultyBackend()) as bus:
            with pytest.raises(PublishErrors, match="2 of 4 messages for 'orders' were not") as caught:
                await bus.publish_batch("orders", [b"bad", b"1", b"bad", b"2"])
            assert set(caught.value.errors) == {0, 2}
            assert set(caught.value.receipts) == {1, 3}
            assert all(isinstance(each, Outage) for each in caught.value.exceptions)
            await bus.flush()

    run(scenario())


def test_what_is_under_way_when_the_loop_ends_makes_no_noise(caplog: pytest.LogCaptureFixture) -> None:
    """A cancelled send is neither acknowledged nor failed."""
    backend = FaultyBackend()

    async def scenario() -> None:
        bus = await EventBus(backend).__aenter__()
        backend.publisher.go.clear()
        bus.send("orders", b"1")
        await pass_time(1)

    with caplog.at_level(logging.ERROR):
        run(scenario())

    assert caplog.records == []
