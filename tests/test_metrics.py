"""What a bus counts, on virtual time: every number exactly, and none lost when a partition goes."""

import asyncio
from collections.abc import Mapping

import pytest
from tests.faulty import FaultyBackend, Outage
from tests.simulated import run, until

from partita import Batch, EventBus, PublishErrors, Retry, Router, open_bus

QUICK = Retry(attempts=2, backoff=0.1, jitter=0.0)


def sums(bus: EventBus, **labels: str) -> Mapping[str, float]:
    """The numbers of a bus with these labels, added up by name; buckets left out."""
    found: dict[str, float] = {}
    for series, number in bus.metrics().items():
        if "le" not in series.labels and labels.items() <= series.labels.items():
            name = series.name.removeprefix("partita_")
            found[name] = found.get(name, 0) + number
    return found


def test_messages_that_do_not_wait_and_messages_that_do_are_counted_alike() -> None:
    """Published, consumed, handled, bytes and calls: each message once."""

    async def scenario(nap: float | None) -> Mapping[str, float]:
        async def handle(value: bytes) -> None:
            if nap is not None:
                await asyncio.sleep(nap)

        router = Router(order="key", concurrency=8)
        router.handler("orders")(handle)
        async with open_bus() as bus:
            for number in range(40):
                await bus.publish("orders", b"1234", key=b"%d" % (number % 10))
            await bus.run(router, burst=True)
            return sums(bus)

    quick, slow = run(scenario(None))[0], run(scenario(0.2))[0]

    assert quick["published_messages_total"] == quick["publish_seconds_count"] == 40
    assert quick["published_bytes_total"] == quick["received_bytes_total"] == 40 * 5
    assert quick["consumed_messages_total"] == quick["handled_messages_total"] == 40
    assert quick["handler_seconds_count"] == slow["handler_seconds_count"] == 40
    assert slow["handler_seconds_sum"] == pytest.approx(40 * 0.2)
    assert {name: n for name, n in quick.items() if n}.keys() <= {
        name: n for name, n in slow.items() if n
    }.keys()


def test_labels_say_which_group_topic_and_partition() -> None:
    """The numbers of one partition stand alone."""

    async def scenario() -> tuple[Mapping[str, float], Mapping[str, float]]:
        async def handle(value: bytes) -> None:
            """Handle."""

        async with open_bus("memory://?partitions=2") as bus:
            await bus.publish_batch("orders", [b"x"] * 3)
            await bus.publish("orders", b"y", partition=1)
            billing = await bus.subscribe("orders", handle, group="billing")
            audit = await bus.subscribe("orders", handle, group="audit")
            await until(lambda: billing.handled == audit.handled == 4)
            both = sums(bus, topic="orders", partition="1")
            return both, sums(bus, group="audit", partition="1")

    both, audit = run(scenario())[0]

    assert both["published_messages_total"] == audit["handled_messages_total"]
    assert both["handled_messages_total"] == 2 * audit["handled_messages_total"]


def test_failures_retries_dead_letters_drops_and_parked_messages_are_told_apart() -> None:
    """Each by its own number, and none under `handled`."""

    async def scenario() -> Mapping[str, Mapping[str, float]]:
        router = Router(retry=QUICK, order="none")

        async def fail(value: bytes) -> None:
            raise ValueError(value)

        async def heal(value: bytes) -> None:
            if seen.setdefault(value, 0) == 0:
                seen[value] += 1
                raise ValueError(value)

        seen: dict[bytes, int] = {}
        router.handler("buried", dead_letter="letters")(fail)
        router.handler("dropped", on_exhausted="drop")(fail)
        router.handler("parked")(fail)
        router.handler("healed")(heal)
        async with open_bus() as bus:
            for topic in ("buried", "dropped", "parked", "healed"):
                await bus.publish_batch(topic, [b"1", b"2"])
            task = asyncio.ensure_future(bus.run(router))
            await until(
                lambda: sums(bus).get("parked_messages") == 2 and sums(bus)["handled_messages_total"] == 2
            )
            found = {
                topic: sums(bus, topic=topic, group="partita")
                for topic in ("buried", "dropped", "parked", "healed")
            }
            await bus.drain()
            await task
            return {**found, "after": sums(bus)}

    found = run(scenario())[0]

    assert [found["buried"][name] for name in ("dead_letters_total", "failed_messages_total")] == [2, 2]
    assert [found["dropped"][name] for name in ("dropped_messages_total", "failed_messages_total")] == [2, 2]
    assert [found["parked"][name] for name in ("parked_messages", "unfinished_messages")] == [2, 2]
    assert [each["handler_failures_total"] for each in found.values()] == [4, 4, 4, 2, 14]
    assert [each["retries_total"] for each in found.values()] == [2, 2, 4, 2, 10]
    assert [each["handled_messages_total"] for each in found.values()] == [0, 0, 0, 2, 2]
    assert [each["handler_seconds_count"] for each in found.values()] == [4, 4, 4, 4, 16]
    assert "parked_messages" not in found["after"]


def test_a_batch_is_one_call_of_its_handler() -> None:
    """Its messages are counted each; one that it names as failed is no call of its own."""

    async def scenario() -> Mapping[str, float]:
        router = Router()

        async def store(batch: Batch) -> None:
            await asyncio.sleep(0.5)
            batch.fail(9, ValueError("bad"))

        router.batch_handler("events", size=10, within=0.1, on_exhausted="drop", retry=Retry(attempts=1))(
            store
        )
        async with open_bus("memory://?partitions=1") as bus:
            await bus.publish_batch("events", [b"good"] * 9 + [b"bad"])
            await bus.run(router, burst=True)
            return sums(bus)

    found = run(scenario())[0]

    assert (found["handled_messages_total"], found["dropped_messages_total"]) == (9, 1)
    assert found["handler_seconds_count"] == 1
    assert found["handler_seconds_sum"] == pytest.approx(0.5)


def test_numbers_outlive_the_subscription_and_the_bus() -> None:
    """What grows never shrinks; what is measured now goes with what it was measured of."""

    async def scenario() -> list[Mapping[str, float]]:
        async def handle(value: bytes) -> None:
            """Handle."""

        async with open_bus() as bus:
            await bus.publish("orders", b"1")
            subscription = await bus.subscribe("orders", handle)
            await until(lambda: subscription.handled == 1)
            found = [sums(bus)]
            await subscription.drain()
            found.append(sums(bus))
            again = await bus.subscribe("orders", handle)
            await bus.publish("orders", b"2")
            await until(lambda: again.handled == 1)
            found.append(sums(bus))
        return [*found, sums(bus)]

    found = run(scenario())[0]

    assert [each["handled_messages_total"] for each in found] == [1, 1, 2, 2]
    assert ["unfinished_messages" in each for each in found] == [True, False, True, False]


def test_messages_that_are_not_acknowledged_are_counted_by_topic() -> None:
    """Awaited, sent, or in a batch; a cancelled wait is none, as the message is on its way."""

    async def scenario() -> Mapping[str, float]:
        backend = FaultyBackend({"publish": [Outage("away")]})
        async with EventBus(backend) as bus:
            with pytest.raises(Outage):
                await bus.publish("a", b"1")
            with pytest.raises(PublishErrors):
                await bus.publish_batch("b", [b"bad", b"good"])
            bus.send("c", b"bad")
            with pytest.raises(PublishErrors):
                await bus.flush()
            return {
                series.labels["topic"]: number
                for series, number in bus.metrics().items()
                if series.name == "partita_publish_failures_total"
            }

    assert run(scenario())[0] == {"a": 1, "b": 1, "c": 1}
