"""The harness that users and we test routers with."""

import pytest
from tests.simulated import run

from partita import Batch, Context, Message, Retry, RouteError, Router
from partita.core.ports import TopicPartition
from partita.testing import Harness, Outcome


def test_tells_what_became_of_each_message() -> None:
    """Done at once, done later, parked, and unroutable."""
    router = Router(retry=Retry(attempts=2, backoff=0.1))

    @router.handler("orders")
    async def charge(value: bytes, context: Context) -> None:
        if value == b"poison" or (value == b"late" and context.attempt == 1):
            raise ValueError("no")

    @router.handler("bills", kind="bill")
    async def bill(value: bytes) -> None: ...

    async def scenario() -> None:
        async with Harness(router) as harness:
            for partition, value in enumerate([b"good", b"late", b"poison"]):
                await harness.feed("orders", value, partition=partition)
            await harness.feed("bills", b"1", headers=[("type", b"unknown")], partition=0)
            summary = await harness.run()
            assert (summary.handled, summary.failed) == (2, 2)
            outcomes = harness.outcomes
            told = [(each.topic, each.partition, each.status, each.attempts) for each in outcomes]
            assert told == [
                ("bills", 0, "parked", 0),
                ("orders", 0, "done", 1),
                ("orders", 1, "done", 2),
                ("orders", 2, "parked", 2),
            ]
            assert outcomes[0].handler == "(none)"
            assert outcomes[0].error.startswith("Unroutable")
            assert outcomes[3].error == "ValueError: no"
            assert outcomes[2].error == ""

    run(scenario())


def test_tells_what_handlers_published_and_not_what_was_fed() -> None:
    """Also when both are in one topic."""
    router = Router()

    @router.handler("orders", to="bills")
    async def charge(value: bytes) -> bytes:
        return b"bill " + value

    async def scenario() -> None:
        async with Harness(router, partitions=1) as harness:
            receipts = await harness.feed("orders", b"1", b"2", key=b"k")
            await harness.feed("bills", b"fed")
            await harness.run()
            published = harness.published("bills")
            assert [each.offset for each in receipts] == [0, 1]
            assert [each.value for each in published] == [b"bill 1", b"bill 2"]
            assert isinstance(published[0], Message)
            assert harness.published("nowhere") == []

    run(scenario())


def test_tells_what_is_committed() -> None:
    """The next offset to read; a parked message and what is behind it are not."""
    router = Router(retry=Retry(attempts=1))

    @router.handler("orders")
    async def charge(value: bytes) -> None:
        if value == b"poison":
            raise ValueError("no")

    async def scenario() -> None:
        async with Harness(router, group="billing") as harness:
            await harness.feed("orders", b"1", b"poison", b"2", partition=0)
            await harness.feed("orders", b"1", b"2", partition=3)
            await harness.run()
            assert harness.committed == {TopicPartition("orders", 0): 1, TopicPartition("orders", 3): 2}

    run(scenario())


def test_goes_on_where_it_was() -> None:
    """A second run handles what was parked and what was fed since."""
    router, broken = Router(retry=Retry(attempts=1)), [True]

    @router.handler("orders")
    async def charge(value: bytes) -> None:
        if broken.pop() if broken else False:
            raise ValueError("no")

    async def scenario() -> None:
        async with Harness(router, partitions=1) as harness:
            await harness.feed("orders", b"1")
            assert (await harness.run()).failed == 1
            await harness.feed("orders", b"2")
            assert (await harness.run()).handled == 2
            assert [each.status for each in harness.outcomes] == ["done", "done"]

    run(scenario())


def test_a_message_that_was_left_in_hand_is_unfinished() -> None:
    """Asked to stop, a handler leaves its message to the next run."""
    router = Router()

    @router.handler("orders")
    async def charge(value: bytes) -> None:
        raise SystemExit

    async def scenario() -> None:
        async with Harness(router) as harness:
            (receipt,) = await harness.feed("orders", b"1")
            await harness.run()
            place = ("orders", receipt.partition, 0)
            name = router.routes[0].plan.name
            expected = Outcome(*place, handler=name, status="unfinished", attempts=1, error="SystemExit")
            assert harness.outcomes == [expected]

    run(scenario())


def test_refuses_what_a_bus_refuses() -> None:
    """The harness runs the router as it would run anywhere."""
    inner, outer = Router(group="harness"), Router()

    @inner.handler("orders")
    @outer.handler("orders")
    async def charge(value: bytes) -> None: ...

    outer.include(inner)

    async def scenario() -> None:
        async with Harness(outer) as harness:
            with pytest.raises(RouteError, match="have a handler in this group already"):
                await harness.run()

    run(scenario())


def test_tells_what_became_of_each_message_of_a_batch() -> None:
    """As if each had been handled by itself: named ones failed, the others done."""
    router = Router(retry=Retry(attempts=1))

    @router.batch_handler("events", size=3, within=0.1)
    async def store(batch: Batch) -> None:
        batch.fail(1, ValueError("no"))

    async def scenario() -> None:
        async with Harness(router) as harness:
            await harness.feed("events", b"1", b"2", b"3", partition=0)
            await harness.run()
            told = [(each.offset, each.status, each.error) for each in harness.outcomes]
            assert told == [(0, "done", ""), (1, "parked", "ValueError: no"), (2, "done", "")]

    run(scenario())
