"""From a router to what the actors run: groups, limits, threads, and routes that do not go together."""

import asyncio
import random
import threading
from typing import Literal

import pytest
from tests.faulty import FaultyBackend
from tests.simulated import run

from partita import Context, Retry, RouteError, Router, Unroutable, open_bus
from partita.backends.memory.records import MemoryRecord
from partita.core.ports import Membership, Outgoing, Receipt
from partita.testing import Harness
from partita.wiring import GroupPlan, Wiring, plan_groups


async def publish(topic: str, message: Outgoing) -> Receipt:
    """Publish nowhere."""
    return Receipt(topic, 0, 0, 0)


async def handle(value: bytes) -> None:
    """Handle."""


def plans_of(*routers: Router) -> list[GroupPlan]:
    """The plans of all *routers* together, in the group billing."""
    routes = [route for router in routers for route in router.routes]
    return list(plan_groups(Wiring(FaultyBackend(), publish), routes, "billing", {}))


def router_of(
    topic: str, *, kind_header: str = "type", start: Literal["earliest", "latest"] = "earliest"
) -> Router:
    """A router with one handler."""
    router = Router(kind_header=kind_header, start=start)
    router.handler(topic)(handle)
    return router


def test_a_group_is_one_membership_of_all_its_topics() -> None:
    """And a route that names another group is in that one."""
    router = router_of("orders")
    router.handler("bills")(handle)
    router.handler("orders", group="audit")(handle)

    billing, audit = plans_of(router)

    assert billing.membership == Membership("billing", frozenset({"orders", "bills"}))
    assert audit.membership == Membership("audit", frozenset({"orders"}))


@pytest.mark.parametrize(
    ("first", "second", "option"),
    [
        (router_of("orders"), router_of("bills", start="latest"), "start"),
        (router_of("orders"), router_of("bills", kind_header="kind"), "kind_header"),
    ],
)
def test_refuses_routes_of_one_group_that_cannot_be_one_membership(
    first: Router, second: Router, option: str
) -> None:
    """The error names both places and the way out."""
    with pytest.raises(RouteError, match=f"differ in {option}, .* 'billing'; give one of them a group"):
        plans_of(first, second)


def test_a_topic_that_nobody_reads_has_no_route() -> None:
    """It cannot be assigned; were it so, its messages would be unroutable."""
    (plan,) = plans_of(router_of("orders"))

    routes = plan.routes("bills")

    record = MemoryRecord("bills", 0, 0, 0, None, b"", ())
    assert routes.only is None
    with pytest.raises(Unroutable):
        routes.pick(record).call(record, 1)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_plain_functions_run_in_threads_and_no_more_than_were_asked_for(concurrency: int) -> None:
    """At most `concurrency` at once over all partitions, and as many when there is work."""
    router, lock = Router(), threading.Lock()
    running, most = 0, 0
    together = threading.Barrier(concurrency)

    @router.handler("orders", concurrency=concurrency)
    def blocking(value: bytes) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(timeout=10)
        with lock:
            running -= 1

    async def scenario() -> None:
        async with open_bus("memory://?partitions=6") as bus:
            for number in range(12):
                await bus.publish("orders", b"1", partition=number % 6)
            assert (await bus.run(router, burst=True)).handled == 12

    asyncio.run(scenario())

    assert most == concurrency


def test_a_thread_that_hangs_does_not_hold_up_the_end() -> None:
    """It cannot be stopped, so it is left alone; its message is for the next owner."""
    router, started, go = Router(), threading.Event(), threading.Event()

    @router.handler("orders")
    def blocking(value: bytes) -> None:
        started.set()
        go.wait(timeout=10)

    async def scenario() -> None:
        async with open_bus() as bus:
            await bus.publish("orders", b"1")
            running = asyncio.get_running_loop().create_task(bus.run(router, drain_timeout=0.05))
            await asyncio.to_thread(started.wait, 10)
            await bus.drain()
            summary = await running
            assert (summary.handled, summary.abandoned) == (0, 1)
            go.set()

    asyncio.run(scenario())


def test_a_thread_past_its_timeout_is_a_failure_and_another_takes_the_next_attempt() -> None:
    """The late result of the first attempt changes nothing."""
    router, go, attempts = Router(), threading.Event(), list[int]()

    @router.handler("orders", timeout=0.02, concurrency=2, retry=Retry(attempts=2, backoff=0.0))
    def blocking(value: bytes, context: Context) -> None:
        attempts.append(context.attempt)
        if context.attempt == 1:
            go.wait(timeout=10)

    async def scenario() -> None:
        async with open_bus() as bus:
            await bus.publish("orders", b"1")
            summary = await bus.run(router, burst=True)
            assert (summary.handled, summary.failed) == (1, 0)
            go.set()

    asyncio.run(scenario())

    assert attempts == [1, 2]


def test_messages_wait_with_no_attempt_spent_while_every_thread_hangs() -> None:
    """Health says why, a thread that returns lets them go on, and a drain is not held up."""
    router, handled = Router(), list[tuple[bytes, int]]()
    go = [threading.Event(), threading.Event()]

    @router.handler("orders", timeout=0.02, concurrency=1, retry=Retry(attempts=2, backoff=0.0))
    def blocking(value: bytes, context: Context) -> None:
        handled.append((value, context.attempt))
        if context.attempt == 1:
            go[int(value)].wait(timeout=10)

    async def scenario() -> None:
        async with open_bus("memory://?partitions=1") as bus:
            await bus.publish("orders", b"0")
            await bus.publish("orders", b"1")
            running = asyncio.create_task(bus.run(router))

            async def stalled(waits: bool) -> None:
                async with asyncio.timeout(10):
                    while ("pool" in str((await bus.health_check()).parts)) is not waits:
                        await asyncio.sleep(0.005)

            await stalled(True)
            part = next(part for name, part in (await bus.health_check()).parts.items() if "pool" in name)
            assert "1 calls of" in part.reason
            assert (part.healthy, handled) == (False, [(b"0", 1)])
            go[0].set()
            async with asyncio.timeout(10):
                while (b"1", 1) not in handled:
                    await asyncio.sleep(0.005)
            await stalled(True)
            await bus.drain()
            summary = await running
            assert (summary.handled, summary.failed, summary.abandoned) == (1, 0, 0)
            go[1].set()

    asyncio.run(scenario())

    assert handled == [(b"0", 1), (b"0", 2), (b"1", 1)]


@pytest.mark.parametrize(
    "error", [ValueError("no"), SystemExit(3), StopIteration()], ids=lambda e: type(e).__name__
)
def test_what_a_thread_raises_is_the_outcome_of_its_message(error: BaseException) -> None:
    """As for any handler."""
    router, calls = Router(), list[bytes]()

    @router.handler("orders")
    def blocking(value: bytes) -> None:
        calls.append(value)
        if len(calls) == 1:
            raise error

    async def scenario() -> None:
        async with open_bus("memory://?partitions=1") as bus:
            await bus.publish("orders", b"1")
            for _ in range(2):
                await bus.run(router, burst=True)

    asyncio.run(scenario())

    assert calls == [b"1", b"1"]


def test_a_letter_of_a_kind_that_nobody_handles_names_nobody() -> None:
    """It goes to the topic of another handler, and must not be taken for that one's failure."""
    router = Router()
    router.handler("orders", kind="refund", dead_letter="orders.dlq")(handle)

    async def scenario() -> None:
        async with open_bus() as bus:
            await bus.publish("orders", b"1", headers=[("type", b"sale")])
            assert (await bus.run(router, burst=True)).failed == 1
            (letter,) = [each async for each in bus.dead_letters("orders.dlq")]
            assert (letter.handler, letter.reason) == ("(none)", "unroutable")

    asyncio.run(scenario())


def test_a_key_that_is_told_differently_each_time_loses_no_message() -> None:
    """Its order is its user's loss; a message that nobody finishes, or a crash of the pump, would be ours."""
    chance = random.Random(1)
    router = Router()

    @router.handler("orders", order="key", key_from=lambda message: chance.choice([None, b"k", b"l"]))
    async def handle(value: bytes) -> None:
        await asyncio.sleep(0.1)

    async def scenario() -> int:
        async with Harness(router, partitions=1) as harness:
            await harness.feed("orders", *[b"%d" % number for number in range(50)])
            return (await harness.run()).handled

    assert run(scenario())[0] == 50
