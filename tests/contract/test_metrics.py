"""Every backend counts what it publishes and consumes, with the same meaning."""

import asyncio
from collections.abc import Mapping

from tests.contract.test_universal import group
from tests.contract.world import Inbox, World


def test_what_was_published_and_handled_is_counted_by_partition(world: World, inbox: Inbox) -> None:
    """Messages and bytes, acknowledgements and calls with their seconds; on NATS a key is a header."""

    async def scenario() -> Mapping[str, Mapping[str, float]]:
        async def handle(value: bytes) -> None:
            inbox.add(value)

        async with world.topic(partitions=2) as (bus, topic):
            for number in range(10):
                await bus.publish(topic, b"%02d" % number, key=b"key", partition=number % 2)
            await bus.publish_batch(topic, [b"%02d" % number for number in range(10, 20)])
            subscription = await bus.subscribe(topic, handle, group=group())
            await inbox.total(20)
            await subscription.drain()
            found: dict[str, dict[str, float]] = {"0": {}, "1": {}}
            for series, counted in bus.metrics().items():
                if series.labels.get("topic") == topic and "le" not in series.labels:
                    found[series.labels["partition"]][series.name] = counted
            return found

    zero, one = asyncio.run(scenario()).values()
    both = {name.removeprefix("partita_"): zero[name] + one[name] for name in zero}

    assert both["published_messages_total"] == both["publish_seconds_count"] == 20
    assert both["published_bytes_total"] == 20 * 2 + 10 * 3
    assert both["received_bytes_total"] == 20 * 2 + (0 if world.name == "nats" else 10 * 3)
    assert both["consumed_messages_total"] == both["handled_messages_total"] == 20
    assert both["handler_seconds_count"] == 20
    assert both["handler_seconds_sum"] > 0
    assert zero["partita_published_messages_total"] >= 5
    if world.name != "memory":
        assert both["publish_seconds_sum"] > 0
