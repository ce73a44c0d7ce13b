"""What a route's options promise, on every backend: order with concurrency, dead letters."""

import asyncio
import logging
from collections import Counter, defaultdict

import pytest
from tests.contract.test_universal import group
from tests.contract.world import DEADLINE, Inbox, World

from partita import Batch, Context, Message, Outgoing, Retry, Router, open_bus
from partita.core.dead_letters import read_dead_letter


def test_messages_of_one_key_stay_in_order_while_others_run_beside_them(world: World) -> None:
    """A thousand messages of twenty keys on four partitions, handlers that wait: in order per key, and
    more than one in flight, but never more than the route says."""
    received: defaultdict[bytes | None, list[bytes | None]] = defaultdict(list)
    running: Counter[bytes | None] = Counter()
    most = 0

    async def handle(message: Message) -> None:
        nonlocal most
        running[message.key] += 1
        most = max(most, running.total())
        assert running[message.key] == 1
        await asyncio.sleep(0.001)
        received[message.key].append(message.value)
        running[message.key] -= 1

    async def scenario() -> int:
        async with world.topic() as (bus, topic):
            keyed = [Outgoing(b"%d" % n, key=b"key %d" % (n % 20)) for n in range(1000)]
            await bus.publish_batch(topic, keyed)
            router = Router()
            router.handler(topic, order="key", concurrency=8)(handle)
            return (await bus.run(router, group=group(), burst=True)).handled

    handled = asyncio.run(scenario())

    assert handled == 1000
    assert received == {b"key %d" % k: [b"%d" % n for n in range(k, 1000, 20)] for k in range(20)}
    assert 1 < most <= 8


def test_a_message_without_attempts_left_stands_in_the_dead_letter_topic(world: World) -> None:
    """Byte for byte, with where it was and why; its partition goes on, and the run counts it as failed."""
    letters: list[Message] = []

    async def handle(value: bytes) -> None:
        if value == b"\xff poison":
            raise ValueError("not this one")

    async def bury(message: Message) -> None:
        letters.append(message)

    async def scenario() -> tuple[str, int, int]:
        async with world.topics(2, partitions=1) as (bus, (topic, dead)):
            router = Router()
            router.handler(topic, dead_letter=dead, retry=Retry(attempts=2, backoff=0.0))(handle)
            for value in (b"1", b"\xff poison", b"2"):
                await bus.publish(topic, value, key=b"k", headers=[("a", b"1"), ("a", b"2")])
            summary = await bus.run(router, group=group(), burst=True)
            burial = Router()
            burial.handler(dead)(bury)
            await bus.run(burial, group=group(), burst=True)
            return topic, summary.handled, summary.failed

    topic, handled, failed = asyncio.run(scenario())

    assert (handled, failed) == (2, 1)
    (letter,) = letters
    notice = read_dead_letter(letter.headers)
    assert notice is not None
    assert (letter.value, letter.key, list(letter.headers)[:2]) == (
        b"\xff poison",
        b"k",
        [("a", b"1"), ("a", b"2")],
    )
    assert (notice.topic, notice.partition, notice.attempts) == (topic, 0, 2)
    assert notice.error == "not this one"


def test_the_fence_of_a_partition_grows_from_owner_to_owner(world: World) -> None:
    """One number for all messages of an assignment, and a greater one for those of the next."""
    fences: list[set[int]] = []

    async def scenario() -> None:
        async with world.topic(partitions=1) as (bus, topic):
            name = group()
            for turn in range(3):
                fences.append(set())
                router = Router()

                @router.handler(topic)
                async def handle(value: bytes, context: Context) -> None:
                    fences[-1].add(context.fence)
                    assert context.still_mine()

                await bus.publish_batch(topic, [b"%d" % turn] * 3)
                assert (await bus.run(router, group=name, burst=True)).handled == 3

    asyncio.run(scenario())

    numbers = [number for (number,) in fences]
    assert 0 < numbers[0] < numbers[1] < numbers[2]


def test_a_partition_that_a_rebalance_gives_back_goes_on_with_what_it_had_in_hand(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a broker asks for partitions back: they are not read again, and no message is handled twice."""
    handled: list[bytes] = []

    async def scenario() -> None:
        # A heartbeat is how a member of Kafka's learns of a rebalance.
        url = f"{world.url}?heartbeat_interval_ms=100" if world.name == "kafka" else world.url
        async with world.topic(partitions=1) as (owner, topic), open_bus(url) as bus, open_bus(url) as other:
            name, begun = group(), asyncio.Event()
            await owner.publish_batch(topic, [b"%d" % n for n in range(600)])

            async def handle(value: bytes) -> None:
                handled.append(value)
                if len(handled) > 20:
                    begun.set()
                await asyncio.sleep(0.005)

            subscription = await bus.subscribe(topic, handle, group=name, order="none", concurrency=4)
            await begun.wait()
            joined = await other.subscribe(topic, handle, group=name)
            async with asyncio.timeout(DEADLINE):
                while len(handled) < 600:
                    await asyncio.sleep(0.02)
            await joined.drain()
            await subscription.drain()

    with caplog.at_level(logging.INFO, "partita.poller"):
        asyncio.run(scenario())

    assert sorted(handled) == sorted(b"%d" % n for n in range(600))
    assert ("that it had in hand" in caplog.text) is (world.name != "nats")


def test_what_finished_above_a_hanging_message_is_not_repeated(world: World, inbox: Inbox) -> None:
    """A member that ends with one message unfinished commits the others: the next one gets that alone."""

    async def scenario() -> list[bytes | None]:
        async with world.topic(partitions=1) as (bus, topic):
            name, values = group(), [b"%d" % n for n in range(50)]
            await bus.publish_batch(topic, values)
            router = Router()

            @router.handler(topic, order="none", concurrency=10)
            async def handle(value: bytes) -> None:
                if value == b"3":
                    await asyncio.Event().wait()
                inbox.add(value)

            async with open_bus(world.url) as first:
                running = asyncio.create_task(first.run(router, group=name, drain_timeout=0.1))
                await inbox.total(49)
                await first.drain()
                await running
            again = Inbox()

            async def take(value: bytes) -> None:
                again.add(value)

            second = Router()
            second.handler(topic, order="none")(take)
            await bus.run(second, group=name, burst=True)
            return again.values

    assert asyncio.run(scenario()) == [b"3"]


def test_batches_store_every_message_once_and_a_bad_one_becomes_a_dead_letter(world: World) -> None:
    """Five hundred messages on four partitions: no batch mixes partitions or is too long, the order of each
    partition is kept, and what raises is halved down to the one message that is bad."""
    stored: defaultdict[int, list[int]] = defaultdict(list)

    async def store(batch: Batch) -> None:
        assert 0 < len(batch) <= 40
        assert {each.partition for each in batch} == {batch.partition}
        if b"bad" in batch.values:
            raise ValueError("one of them is bad")
        stored[batch.partition] += [each.offset for each in batch]

    async def scenario() -> tuple[int, int, list[bytes | None]]:
        async with world.topics(2) as (bus, (topic, dead)):
            values = [Outgoing(b"bad" if n == 77 else b"%d" % n, key=b"%d" % n) for n in range(500)]
            await bus.publish_batch(topic, values)
            router = Router()
            limits = {"size": 40, "within": 0.2, "retry": Retry(attempts=1), "dead_letter": dead}
            router.batch_handler(topic, **limits)(store)  # type: ignore[arg-type] # mixed values
            summary = await bus.run(router, group=group(), burst=True)
            letters = [each.message.value async for each in bus.dead_letters(dead)]
            return summary.handled, summary.failed, letters

    handled, failed, letters = asyncio.run(scenario())

    assert (handled, failed, letters) == (499, 1, [b"bad"])
    assert sum(map(len, stored.values())) == 499
    assert all(offsets == sorted(set(offsets)) for offsets in stored.values())
