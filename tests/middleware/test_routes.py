"""The options `middleware` and `rate` on a running router."""

import asyncio
import logging
import threading

import pytest
from tests.simulated import pass_time, run, until

from partita import Context, Message, Retry, RouteError, Router, open_bus
from partita.middleware import CallNext, CircuitBreaker, Deduplicate, FailAtRandom, duplicate
from partita.testing import Harness


def test_middlewares_stand_around_the_handler_and_what_it_publishes() -> None:
    """A call that comes twice publishes twice; each attempt passes through them."""
    attempts: list[int] = []
    router = Router()

    @router.handler("orders", to="bills", middleware=[duplicate], retry=Retry(attempts=2, backoff=0.1))
    async def charge(order: bytes, context: Context) -> bytes:
        attempts.append(context.attempt)
        if context.attempt == 1:
            raise ValueError("no")
        return order

    async def scenario() -> None:
        async with Harness(router, partitions=1) as harness:
            await harness.feed("orders", b"1")
            assert (await harness.run()).handled == 1
            assert [each.value for each in harness.published("bills")] == [b"1", b"1"]

    run(scenario())

    assert attempts == [1, 2, 2]


def test_a_message_that_was_published_twice_is_handled_once() -> None:
    """Both count as handled, in this run and in the next one."""
    router, seen = Router(middleware=[Deduplicate("id")]), list[bytes]()

    @router.handler("orders")
    async def charge(order: bytes) -> None:
        seen.append(order)

    async def scenario() -> None:
        async with Harness(router, partitions=1) as harness:
            await harness.feed("orders", b"1", b"1 again", headers=[("id", b"1")])
            assert (await harness.run()).handled == 2
            await harness.feed("orders", b"1 once more", headers=[("id", b"1")])
            assert (await harness.run()).handled == 1

    run(scenario())

    assert seen == [b"1"]


def test_retries_come_through_failures_at_random() -> None:
    """Every message is handled in the end."""
    router = Router(middleware=[FailAtRandom(0.3, seed=7)], retry=Retry(attempts=20, backoff=0.01))
    seen = list[bytes]()

    @router.handler("orders")
    async def charge(order: bytes) -> None:
        seen.append(order)

    async def scenario() -> None:
        async with Harness(router, partitions=1) as harness:
            await harness.feed("orders", *[b"%d" % number for number in range(50)])
            summary = await harness.run()
            assert (summary.handled, summary.failed) == (50, 0)
            assert max(each.attempts for each in harness.outcomes) > 1

    run(scenario())

    assert seen == [b"%d" % number for number in range(50)]


def test_an_outage_costs_canaries_and_not_attempts() -> None:
    """Five minutes of it over four partitions; afterwards everything is handled, in order."""
    breaker = CircuitBreaker(failures=3, open_for=30.0)
    router = Router(middleware=[breaker], retry=Retry(attempts=20, backoff=0.2))
    calls, seen = [0], dict[int, list[int]]()

    @router.handler("orders")
    async def charge(message: Message) -> None:
        calls[0] += 1
        if asyncio.get_running_loop().time() < 300:
            raise ConnectionError("away")
        seen.setdefault(message.partition, []).append(message.offset)

    async def scenario() -> None:
        async with Harness(router) as harness:
            for partition in range(4):
                await harness.feed("orders", *[b"1"] * 50, partition=partition)
            summary = await harness.run()
            assert (summary.handled, summary.failed) == (200, 0)

    run(scenario())

    assert calls[0] <= 200 + 3 + 3 + 10
    assert seen == {partition: list(range(50)) for partition in range(4)}


def test_messages_that_wait_for_a_breaker_do_not_hold_up_a_drain() -> None:
    """They stay unfinished and cost no attempt: nothing is parked or committed."""
    breaker = CircuitBreaker(failures=1, open_for=3600.0)
    router = Router(middleware=[breaker], retry=Retry(attempts=2, backoff=0.2))

    @router.handler("orders")
    async def charge(order: bytes) -> None:
        raise ConnectionError("away")

    async def scenario() -> None:
        async with Harness(router) as harness:
            for partition in range(4):
                await harness.feed("orders", b"1", partition=partition)
            running = asyncio.get_running_loop().create_task(harness.run())
            await until(lambda: breaker.waiting == 4)
            before = asyncio.get_running_loop().time()
            await harness.bus.drain()
            summary = await running
            assert asyncio.get_running_loop().time() - before < 1.0
            assert (summary.handled, summary.failed, summary.abandoned) == (0, 0, 0)
            assert harness.committed == {}

    run(scenario())


def test_messages_that_wait_for_a_rate_do_not_hold_up_a_drain() -> None:
    """And what was handled is committed."""
    router = Router(rate=0.01)

    @router.handler("orders")
    async def charge(order: bytes) -> None: ...

    async def scenario() -> None:
        async with Harness(router, partitions=1) as harness:
            await harness.feed("orders", b"1", b"2", b"3")
            running = asyncio.get_running_loop().create_task(harness.run())
            await pass_time(5)
            before = asyncio.get_running_loop().time()
            await harness.bus.drain()
            assert (await running).handled == 1
            assert asyncio.get_running_loop().time() - before < 1.0
            assert harness.committed == {("orders", 0): 1}

    run(scenario())


def test_a_route_is_called_at_its_rate_over_all_its_partitions() -> None:
    """One counter for each route; another route is not slowed down."""
    router = Router()
    slow, quick = list[float](), list[float]()

    @router.handler("orders", rate=10.0)
    async def charge(order: bytes) -> None:
        slow.append(asyncio.get_running_loop().time())

    @router.handler("bills")
    async def bill(value: bytes) -> None:
        quick.append(asyncio.get_running_loop().time())

    async def scenario() -> None:
        async with Harness(router) as harness:
            for partition in range(4):
                await harness.feed("orders", *[b"1"] * 10, partition=partition)
                await harness.feed("bills", *[b"1"] * 10, partition=partition)
            assert (await harness.run()).handled == 80

    run(scenario())

    assert 2.9 <= slow[-1] - slow[0] <= 3.2
    assert quick[-1] - quick[0] < 0.5


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"rate": 0}, "rate=0: give messages per second"),
        ({"rate": float("inf")}, "rate=inf: give"),
        ({"middleware": duplicate}, "give a list of async functions"),
        ({"middleware": [Deduplicate]}, r"Deduplicate is a class; give an object of it"),
        ({"middleware": ["duplicate"]}, "'duplicate' is no async function"),
    ],
)
def test_refuses_options_that_cannot_be_used(options: dict[str, object], told: str) -> None:
    """When the handler is decorated, with its place."""

    async def charge(order: bytes) -> None: ...

    with pytest.raises(RouteError, match=rf"charge \(.*test_routes.py:\d+\): .*{told}"):
        Router().handler("orders", **options)(charge)  # type: ignore[arg-type]


def test_a_middleware_that_swallows_errors_makes_its_message_handled() -> None:
    """What it returns is the outcome."""
    router = Router()

    async def forgive(message: Message, call_next: CallNext) -> object:
        try:
            return await call_next(message)
        except ValueError:
            return None

    @router.handler("orders", middleware=[forgive])
    async def charge(order: bytes) -> None:
        raise ValueError("no")

    async def scenario() -> None:
        async with Harness(router) as harness:
            await harness.feed("orders", b"1")
            assert (await harness.run()).handled == 1

    run(scenario())


def test_a_handler_that_blocks_the_loop_is_named_and_the_watchdog_ends_with_the_run() -> None:
    """With its file and line, once."""
    router, lines, told = Router(), list[str](), threading.Event()

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())
            told.set()

    @router.handler("orders", retry=Retry(attempts=1))
    async def charge(order: bytes) -> None:
        assert told.wait(20)

    async def scenario() -> None:
        async with open_bus() as bus:
            await bus.publish("orders", b"1")
            await bus.run(router, burst=True)

    before, handler = set(threading.enumerate()), Keep()
    logging.getLogger("partita.watchdog").addHandler(handler)
    try:
        asyncio.run(scenario())
    finally:
        logging.getLogger("partita.watchdog").removeHandler(handler)

    line = charge.__code__.co_firstlineno + 2
    assert f"charge, at {__file__}:{line} in test_a_handler_that" in lines[0]
    assert set(threading.enumerate()) == before
