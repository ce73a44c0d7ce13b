"""One connected trace over two real brokers, at a collector and as printed."""

import uuid
from collections.abc import Mapping
from itertools import pairwise

import pytest
from tests.telemetry.collector import collecting, run_script

TWO_BROKERS = """
import asyncio, os, sys
from partita import Router, open_bus
from partita_worker.telemetry import set_up

setup = set_up(trace=True, environ=os.environ, write=sys.stdout.write)
orders, bills = os.environ["ORDERS"], os.environ["BILLS"]

async def main():
    async with open_bus(os.environ["KAFKA"]) as kafka, open_bus(os.environ["NATS"]) as nats:
        await kafka.create_topic(orders)
        await nats.create_topic(bills)
        first, second = Router(), Router()

        @first.handler(orders)
        async def charge(order: bytes) -> None:
            await nats.publish(bills, b"bill for " + order)

        @second.handler(bills)
        async def book(bill: bytes) -> None:
            pass

        await kafka.publish(orders, b"one chair", headers=[("customer", b"7")])
        print((await kafka.run(first, group="charging", burst=True)).handled, file=sys.stderr)
        print((await nats.run(second, group="booking", burst=True)).handled, file=sys.stderr)

asyncio.run(main())
setup.shut_down(5.0)
"""


DEATH_AND_REPLAY = """
import asyncio, os, sys
from partita import Retry, Router, open_bus
from partita_worker.telemetry import set_up

setup = set_up(trace=True, environ=os.environ, write=sys.stdout.write)
orders, dead = os.environ["ORDERS"], os.environ["BILLS"]

def router(mended: bool) -> Router:
    router = Router()

    @router.handler(orders, retry=Retry(attempts=2, backoff=0.01), dead_letter=dead)
    async def charge(order: bytes) -> None:
        if not mended:
            raise ValueError("no")

    return router

async def main():
    async with open_bus(os.environ["BUS"]) as bus:
        for topic in (orders, dead):
            await bus.create_topic(topic, partitions=1)
        await bus.publish(orders, b"one chair")
        print((await bus.run(router(mended=False), group=orders, burst=True)).failed, file=sys.stderr)
        print((await bus.dead_letters(dead).replay()).replayed, file=sys.stderr)
        print((await bus.run(router(mended=True), group=orders, burst=True)).handled, file=sys.stderr)
        for topic in (orders, dead):
            await bus.delete_topic(topic)

asyncio.run(main())
setup.shut_down(5.0)
"""


def names() -> Mapping[str, str]:
    """Two topics that nobody else has."""
    unique = uuid.uuid4().hex[:8]
    return {"ORDERS": f"orders.{unique}", "BILLS": f"bills.{unique}"}


def test_publish_kafka_handler_nats_handler_is_one_trace(kafka: str, nats: str) -> None:
    """Each span's parent is the one before it, over both brokers, sent by OTLP and printed as a tree."""
    topics = names()
    environ = {**topics, "KAFKA": f"kafka://{kafka}", "NATS": f"nats://{nats}"}

    with collecting() as collector:
        printed, told = run_script(TWO_BROKERS, {**environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})

    spans = collector.spans
    chain = [
        f"send {topics['ORDERS']}",
        f"process {topics['ORDERS']}",
        f"publish {topics['BILLS']}",
        f"process {topics['BILLS']}",
    ]
    assert told.splitlines()[-2:] == ["1", "1"]
    assert set(chain) == set(spans)
    assert len({span.trace_id for span in spans.values()}) == 1
    for parent, child in pairwise(chain):
        assert spans[child].parent_span_id == spans[parent].span_id
    tree = [line for line in printed.splitlines() if line]
    assert [f"{'  ' * depth}{name}" for depth, name in enumerate(chain, 1)] == [
        line[: line.index(name) + len(name)] for line, name in zip(tree[1:], chain, strict=True)
    ]


@pytest.mark.parametrize("system", ["kafka", "nats"])
def test_death_and_replay_across_a_broker_are_one_trace(system: str, request: pytest.FixtureRequest) -> None:
    """Both attempts below the publish, the letter below the second, its replay below the letter."""
    topics = names()
    address = request.getfixturevalue(system)
    send = "send" if system == "kafka" else "publish"

    printed, told = run_script(DEATH_AND_REPLAY, {**topics, "BUS": f"{system}://{address}"})

    head, *tree = [line for line in printed.splitlines() if line]
    assert told.splitlines()[-3:] == ["1", "1", "1"]
    assert head.startswith("trace ")
    orders, dead = topics["ORDERS"], topics["BILLS"]
    expected = [
        (1, f"{send} {orders}", "ok"),
        (2, f"process {orders}", "error ValueError"),
        (2, f"process {orders}", "error ValueError, attempt 2"),
        (3, f"{send} {dead}", "ok, dead letter"),
        (4, f"{send} {orders}", "ok"),
        (5, f"process {orders}", "ok"),
    ]
    for line, (depth, name, outcome) in zip(tree, expected, strict=True):
        assert line.startswith(f"{'  ' * depth}{name} ")
        assert line.endswith(f" ms  {outcome}")
