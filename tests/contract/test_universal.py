"""
The universal suite of Watermill (`pubsub/tests/test_pubsub.go`), by intent and with its full counts.

    PublishSubscribe                    test_everything_published_arrives_unchanged
    ConcurrentSubscribe                 test_many_subscribers_together_receive_all_from_many_writers
    ConcurrentSubscribeMultipleTopics   test_twenty_topics_at_once_are_each_complete
    ResendOnError                       test_a_message_whose_handler_failed_comes_again
    NoAck                               test_the_next_message_waits_until_the_first_is_handled
    ContinueAfterSubscribeClose         test_subscribers_that_come_and_go_lose_nothing
    ConcurrentClose                     test_subscribers_closed_at_once_leave_a_working_group
    ContinueAfterErrors                 test_after_a_hundred_failures_each_everything_arrives
    PublishSubscribeInOrder             test_messages_with_one_key_stay_in_order
    PublisherClose                      test_nothing_published_is_lost_when_the_publisher_closes
    Topic                               test_two_topics_do_not_mix
    MessageCtx                          test_a_handler_that_hangs_is_cancelled_when_its_bus_closes
    SubscribeCtx                        test_a_cancelled_run_leaves_everything_to_the_next
    NewSubscriberReceivesOldMessages    test_a_new_group_receives_what_is_there_already
    Reconnect                           test_nothing_is_lost_over_two_restarts_of_the_broker
    ConsumerGroups                      test_every_group_receives_everything

The hundred failures of ContinueAfterErrors are spread as there. ConcurrentSubscribe has fifty
subscribers on memory and ten on the brokers, where joining a group fifty times would be most of the test.
"""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable

from tests.contract.world import Inbox, World

from partita import EventBus, Message, Outgoing, Retry, Router, open_bus

PATIENT = Retry(attempts=1000, backoff=0.0, jitter=0.0)


def numbered(count: int, prefix: str = "m") -> list[bytes]:
    """Payloads that are all different."""
    return [f"{prefix}{number}".encode() for number in range(count)]


def group() -> str:
    """A group that nobody else has."""
    return f"group.{uuid.uuid4().hex[:10]}"


async def publish_by(bus: EventBus, writers: int, topic: str, values: list[bytes]) -> None:
    """Publish with this many writers at once, each retrying as a careful caller does."""

    async def write(share: list[bytes]) -> None:
        for value in share:
            await publish_surely(bus, topic, value)

    await asyncio.gather(*[write(values[each::writers]) for each in range(writers)])


async def publish_surely(bus: EventBus, topic: str, value: bytes) -> None:
    """Publish, up to five times."""
    for attempt in range(5):
        try:
            await bus.publish(topic, value)
        except Exception:
            if attempt == 4:
                raise
        else:
            return


def test_everything_published_arrives_unchanged(world: World, inbox: Inbox) -> None:
    """A hundred messages arrive with their payloads, keys and headers, and none after the close."""
    seen: dict[bytes | None, Message] = {}

    async def handle(message: Message) -> None:
        seen[message.value] = message
        inbox.add(message.value)

    async def scenario() -> None:
        async with world.topic() as (bus, topic):
            subscription = await bus.subscribe(topic, handle, group=group())
            for value in numbered(100):
                await bus.publish(topic, value, key=b"k" + value, headers=[("n", value), ("x", b"1")])
            await inbox.holds(set(numbered(100)))
            await subscription.drain()
            await bus.publish(topic, b"late")

    asyncio.run(scenario())

    assert {value: (m.key, list(m.headers)) for value, m in seen.items()} == {
        value: (b"k" + value, [("n", value), ("x", b"1")]) for value in numbered(100)
    }


def test_many_subscribers_together_receive_all_from_many_writers(world: World, inbox: Inbox) -> None:
    """5,000 messages of fifty writers are received by the members of one group together."""
    subscribers = 50 if world.name == "memory" else 10

    async def handle(value: bytes) -> None:
        inbox.add(value)

    async def scenario() -> None:
        async with world.topic(partitions=subscribers) as (bus, topic):
            name = group()
            await asyncio.gather(*[bus.subscribe(topic, handle, group=name) for _ in range(subscribers)])
            await publish_by(bus, 50, topic, numbered(5000))
            await inbox.holds(set(numbered(5000)))

    asyncio.run(scenario())

    assert set(numbered(5000)) == set(inbox.values)


def test_twenty_topics_at_once_are_each_complete(world: World) -> None:
    """Twenty topics with a hundred messages each, published and read side by side."""
    received: defaultdict[str, set[bytes | None]] = defaultdict(set)
    complete = asyncio.Event()

    async def handle(message: Message) -> None:
        received[message.topic].add(message.value)
        if len(received) == 20 and all(len(each) == 100 for each in received.values()):
            complete.set()

    async def scenario() -> list[str]:
        async with world.topics(20, partitions=1) as (bus, topics):
            await bus.subscribe(topics, handle, group=group())
            await asyncio.gather(*[publish_by(bus, 1, t, numbered(100, t)) for t in topics])
            async with asyncio.timeout(60):
                await complete.wait()
            return topics

    topics = asyncio.run(scenario())

    assert {topic: set(numbered(100, topic)) for topic in topics} == received


def test_a_message_whose_handler_failed_comes_again(world: World, inbox: Inbox) -> None:
    """The first two attempts fail, and all hundred messages still arrive."""
    failures = iter([ValueError("first"), ValueError("second")])

    async def handle(value: bytes) -> None:
        for failure in failures:
            raise failure
        inbox.add(value)

    async def scenario() -> None:
        async with world.topic() as (bus, topic):
            await bus.subscribe(topic, handle, group=group(), retry=PATIENT)
            await bus.publish_batch(topic, numbered(100))
            await inbox.holds(set(numbered(100)))

    asyncio.run(scenario())

    assert set(numbered(100)) == set(inbox.values)


def test_the_next_message_waits_until_the_first_is_handled(world: World, inbox: Inbox) -> None:
    """On one partition the second message is withheld while the first is in hand; none repeats."""

    async def scenario() -> list[bytes | None]:
        first_may_end = asyncio.Event()

        async def handle(value: bytes) -> None:
            inbox.add(value)
            await first_may_end.wait()

        async with world.topic(partitions=1) as (bus, topic):
            await bus.subscribe(topic, handle, group=group())
            await bus.publish_batch(topic, numbered(2))
            await inbox.until(lambda values: bool(values))
            await bus.health_check()  # the broker and the loop have had their turns
            withheld = list(inbox.values)
            first_may_end.set()
            await inbox.holds(set(numbered(2)))
            return withheld

    withheld = asyncio.run(scenario())

    assert withheld == [b"m0"]
    assert inbox.values == [b"m0", b"m1"]


def test_subscribers_that_come_and_go_lose_nothing(world: World, inbox: Inbox) -> None:
    """5,000 messages read by subscribers that each take a part and close: all arrive, none twice."""

    async def scenario() -> None:
        async with world.topic() as (bus, topic):
            name = group()
            await publish_by(bus, 50, topic, numbered(5000))
            while len(inbox.values) < 5000:
                goal = len(inbox.values) + 500

                async def handle(value: bytes) -> None:
                    inbox.add(value)
                    await asyncio.sleep(0)

                subscription = await bus.subscribe(topic, handle, group=name)
                await inbox.count(min(goal, 5000))
                await subscription.drain()

    asyncio.run(scenario())

    assert sorted(numbered(5000)) == sorted(value or b"" for value in inbox.values)


def test_subscribers_closed_at_once_leave_a_working_group(world: World, inbox: Inbox) -> None:
    """Ten subscribers open and close at once; fifty messages published then are all received."""

    async def handle(value: bytes) -> None:
        inbox.add(value)

    async def scenario() -> None:
        async with world.topic() as (bus, topic):
            name = group()
            opened = await asyncio.gather(*[bus.subscribe(topic, handle, group=name) for _ in range(10)])
            await asyncio.gather(*[each.drain() for each in opened])
            await bus.publish_batch(topic, numbered(50))
            await bus.subscribe(topic, handle, group=name)
            await inbox.holds(set(numbered(50)))

    asyncio.run(scenario())

    assert sorted(numbered(50)) == sorted(value or b"" for value in inbox.values)


def test_after_a_hundred_failures_each_everything_arrives(world: World, inbox: Inbox) -> None:
    """Three subscribers fail a hundred times each; then all fifty messages arrive."""
    failed: defaultdict[int, int] = defaultdict(int)

    def failing(number: int) -> Callable[[bytes], Awaitable[None]]:
        async def handle(value: bytes) -> None:
            if failed[number] < 100:
                failed[number] += 1
                raise ValueError("not yet")
            inbox.add(value)

        return handle

    async def scenario() -> None:
        async with world.topic(partitions=6) as (bus, topic):
            name = group()
            for number in range(3):
                await bus.subscribe(topic, failing(number), group=name, retry=PATIENT)
            await bus.publish_batch(topic, numbered(50))
            await inbox.holds(set(numbered(50)))

    asyncio.run(scenario())

    assert set(numbered(50)) == set(inbox.values)


def test_messages_with_one_key_stay_in_order(world: World) -> None:
    """A thousand messages of sixteen keys over ten subscribers: each key's messages in order."""
    received: defaultdict[bytes | None, list[bytes | None]] = defaultdict(list)
    complete = asyncio.Event()

    async def handle(message: Message) -> None:
        received[message.key].append(message.value)
        if sum(map(len, received.values())) >= 1000:
            complete.set()

    async def scenario() -> None:
        async with world.topic(partitions=10) as (bus, topic):
            name = group()
            await asyncio.gather(*[bus.subscribe(topic, handle, group=name) for _ in range(10)])
            keyed = [Outgoing(b"%d" % n, key=b"kind %d" % (n % 16)) for n in range(1000)]
            await bus.publish_batch(topic, keyed)
            async with asyncio.timeout(60):
                await complete.wait()

    asyncio.run(scenario())

    assert received == {b"kind %d" % k: [b"%d" % n for n in range(k, 1000, 16)] for k in range(16)}


def test_nothing_published_is_lost_when_the_publisher_closes(world: World, inbox: Inbox) -> None:
    """10,000 messages of twenty writers on a bus that closes right after: all are there."""

    async def handle(value: bytes) -> None:
        inbox.add(value)

    async def scenario() -> None:
        async with world.topic() as (bus, topic):
            async with open_bus(world.url) as publisher:
                await publish_by(publisher, 20, topic, numbered(10_000))
            await bus.subscribe(topic, handle, group=group())
            await inbox.holds(set(numbered(10_000)))

    asyncio.run(scenario())

    assert set(numbered(10_000)) == set(inbox.values)


def test_two_topics_do_not_mix(world: World) -> None:
    """Each of two topics hands out its own message and no other."""
    received: list[tuple[str, bytes | None]] = []
    both = asyncio.Event()

    async def handle(message: Message) -> None:
        received.append((message.topic, message.value))
        if len(received) >= 2:
            both.set()

    async def scenario() -> list[str]:
        async with world.topics(2) as (bus, topics):
            for topic in topics:
                await bus.subscribe(topic, handle, group=group())
                await bus.publish(topic, topic.encode())
            async with asyncio.timeout(60):
                await both.wait()
            return topics

    topics = asyncio.run(scenario())

    assert sorted((topic, topic.encode()) for topic in topics) == sorted(received)


def test_a_handler_that_hangs_is_cancelled_when_its_bus_closes(world: World, inbox: Inbox) -> None:
    """At the drain deadline the handler is cancelled, and its message comes again to the next."""
    cancelled: list[bytes] = []

    async def scenario() -> int:
        async with world.topic() as (bus, topic):
            router, name = Router(), group()

            @router.handler(topic)
            async def hang(value: bytes) -> None:
                inbox.add(value)
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    cancelled.append(value)
                    raise

            await bus.publish(topic, b"m0")
            running = asyncio.create_task(bus.run(router, group=name, drain_timeout=0.05))
            await inbox.holds({b"m0"})
            await bus.drain()
            summary = await running

            async def handle(value: bytes) -> None:
                inbox.add(value)

            await bus.subscribe(topic, handle, group=name)
            await inbox.until(lambda values: len(values) >= 2)
            return summary.abandoned

    abandoned = asyncio.run(scenario())

    assert (abandoned, cancelled, inbox.values) == (1, [b"m0"], [b"m0", b"m0"])


def test_a_cancelled_run_leaves_everything_to_the_next(world: World, inbox: Inbox) -> None:
    """A run is cancelled before anything is published; a new one gets all twenty messages."""

    async def scenario() -> None:
        async with world.topic() as (bus, topic):
            router, name = Router(), group()

            @router.handler(topic)
            async def handle(value: bytes) -> None:
                inbox.add(value)

            first = asyncio.create_task(bus.run(router, group=name))
            await asyncio.sleep(0.05)
            first.cancel()
            await asyncio.wait([first])
            await bus.publish_batch(topic, numbered(20))
            second = asyncio.create_task(bus.run(router, group=name))
            await inbox.holds(set(numbered(20)))
            await bus.drain()
            await second

    asyncio.run(scenario())

    assert sorted(numbered(20)) == sorted(value or b"" for value in inbox.values)


def test_a_new_group_receives_what_is_there_already(world: World, inbox: Inbox) -> None:
    """Groups that come after the messages see all of them."""

    async def handle(value: bytes) -> None:
        inbox.add(value)

    async def scenario() -> None:
        async with world.topic() as (bus, topic):
            await bus.publish_batch(topic, numbered(100))
            for round_ in range(1, 4):
                await bus.subscribe(topic, handle, group=group())
                await inbox.total(100 * round_)

    asyncio.run(scenario())

    assert sorted(numbered(100) * 3) == sorted(value or b"" for value in inbox.values)


def test_nothing_is_lost_over_two_restarts_of_the_broker(own_world: World, inbox: Inbox) -> None:
    """10,000 messages of a hundred writers, the broker killed and started at a third and at a half."""

    async def handle(value: bytes) -> None:
        inbox.add(value)

    async def scenario() -> None:
        async with own_world.topic() as (bus, topic):
            await bus.subscribe(topic, handle, group=group(), retry=PATIENT)
            values = numbered(10_000)
            writing = asyncio.create_task(publish_by(bus, 100, topic, values))
            for share in (3333, 5000):
                await inbox.count(share)
                if own_world.restart is not None:
                    await own_world.restart()
            await writing
            await inbox.holds(set(values))

    asyncio.run(scenario())

    assert set(numbered(10_000)) == set(inbox.values)


def test_every_group_receives_everything(world: World) -> None:
    """Two groups on one topic each receive all fifty messages."""
    inboxes = [Inbox(), Inbox()]

    async def scenario() -> None:
        async with world.topic() as (bus, topic):
            for each in inboxes:

                async def handle(value: bytes, each: Inbox = each) -> None:
                    each.add(value)

                await bus.subscribe(topic, handle, group=group())
            await bus.publish_batch(topic, numbered(50))
            for each in inboxes:
                await each.holds(set(numbered(50)))

    asyncio.run(scenario())

    assert [set(numbered(50))] * 2 == [set(each.values) for each in inboxes]
