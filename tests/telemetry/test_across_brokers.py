"""One connected trace over two real brokers, at a collector and as printed."""

import uuid
from collections.abc import Mapping
from itertools import pairwise

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
