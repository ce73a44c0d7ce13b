"""Dead letters are read and replayed alike on every backend."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import attrs
from tests.contract.test_universal import group
from tests.contract.world import World

from partita import EventBus, Message, Outgoing
from partita.core.dead_letters import REPLAYS, Death, dead_letter
from partita.core.ports import RecordReader


async def messages_of(bus: EventBus, topic: str, count: int) -> list[Message]:
    """The first messages of a topic, through a group of its own."""
    received: list[Message] = []
    enough = asyncio.Event()

    async def receive(message: Message) -> None:
        received.append(message)
        if len(received) >= count:
            enough.set()

    subscription = await bus.subscribe(topic, receive, group=group())
    async with asyncio.timeout(60):
        await enough.wait()
    await subscription.drain()
    return received


@attrs.frozen
class Failing:
    """A topic whose messages all died, and its dead-letter topic."""

    bus: EventBus
    topic: str
    dlq: str

    @property
    def reader(self) -> RecordReader:
        """Reads the backend's records."""
        return self.bus.reader

    async def die(self, message: Message, handler: str = "charge") -> None:
        """Publish a message's dead letter as a worker does."""
        death = Death(handler, "billing", 5, ValueError("first"), KeyError("last"))
        letter = dead_letter(message.raw, self.reader, death)
        await self.bus.publish(self.dlq, letter.value, key=letter.key, headers=letter.headers)

    async def lose(self, messages: Sequence[Outgoing], handlers: Sequence[str] = ("charge",)) -> None:
        """Publish messages that all die, by these handlers in turn."""
        await self.bus.publish_batch(self.topic, messages)
        for n, message in enumerate(await messages_of(self.bus, self.topic, len(messages))):
            await self.die(message, handlers[n % len(handlers)])


def test_a_dead_letter_is_the_message_with_its_story(world: World) -> None:
    """Value, key and headers are kept byte for byte, and the story names where it was and why it died."""
    headers = [("b", b"1"), ("a", b"\xff\x00"), ("b", b"2")]
    lost = Outgoing(b"\x00\xff", key=b"k", headers=headers)

    async def scenario() -> None:
        async with world.topics(2, partitions=1) as (bus, (topic, dlq)):
            await Failing(bus, topic, dlq).lose([lost])
            (letter,) = [each async for each in bus.dead_letters(dlq)]

            assert (letter.message.value, letter.message.key) == (lost.value, lost.key)
            assert list(letter.message.headers)[:3] == headers
            assert (letter.topic, letter.partition, letter.message.topic) == (topic, 0, dlq)
            assert (letter.handler, letter.group, letter.attempts) == ("charge", "billing", 5)
            assert (letter.first_error_class, letter.first_error) == ("ValueError", "first")
            assert (letter.error_class, letter.error, letter.reason) == ("KeyError", "'last'", "exhausted")
            found = await bus.dead_letters(dlq).find(0, letter.message.offset)
            assert found is not None
            assert (found.offset, found.timestamp) == (letter.offset, letter.timestamp)
            assert await bus.dead_letters(dlq).find(0, letter.message.offset + 5) is None

    asyncio.run(scenario())


def test_reading_takes_nothing_away_and_a_replay_is_not_repeated(world: World) -> None:
    """Whoever lists first leaves all to the replay, and the second replay has nothing to do."""
    lost = [Outgoing(b"%d" % n, key=b"%d" % (n % 3)) for n in range(30)]

    async def scenario() -> None:
        async with world.topics(2, partitions=2) as (bus, (topic, dlq)):
            await Failing(bus, topic, dlq).lose(lost)
            letters = bus.dead_letters(dlq)

            assert len([each async for each in letters]) == 30
            async with aclosing(letters.read()) as reading:
                await anext(reading)
            assert (await letters.replay(dry_run=True)).replayed == 30
            assert (await letters.replay()).replayed == 30
            assert (await letters.replay()).replayed == 0
            assert len([each async for each in letters]) == 30
            back = [m for m in await messages_of(bus, topic, 60) if list(m.headers) == [(REPLAYS, b"1")]]
            for key in (b"0", b"1", b"2"):
                values = [m.value for m in back if m.key == key]
                assert values == [each.value for each in lost if each.key == key]

    asyncio.run(scenario())


def test_what_a_filter_leaves_out_stays_and_nothing_is_replayed_twice(world: World) -> None:
    """A letter below the replayed ones is not lost with them, nor are they repeated with it."""
    lost = [Outgoing(b"%d" % n, key=b"%d" % n) for n in range(20)]

    async def scenario() -> None:
        async with world.topics(2, partitions=2) as (bus, (topic, dlq)):
            await Failing(bus, topic, dlq).lose(lost, handlers=("charge", "refund"))
            letters = bus.dead_letters(dlq)

            first = await letters.replay(handler="refund")
            again = await letters.replay(handler="refund")
            rest = await letters.replay()

            assert (first.replayed, first.left) == (10, 10)
            assert (again.replayed, again.left) == (0, 10)
            assert (rest.replayed, rest.left) == (10, 0)
            back = await messages_of(bus, topic, 40)
            assert sorted(m.value or b"" for m in back) == sorted([each.value or b"" for each in lost] * 2)

    asyncio.run(scenario())


def test_a_letter_that_keeps_dying_is_refused_in_the_end(world: World) -> None:
    """Each death carries the number of replays, and at the limit a replay leaves the letter alone."""

    async def scenario() -> None:
        async with world.topics(2, partitions=1) as (bus, (topic, dlq)):
            failing, letters = Failing(bus, topic, dlq), bus.dead_letters(dlq)
            await failing.lose([Outgoing(b"poison")])

            for round_ in range(1, 3):
                assert (await letters.replay(max_replays=2)).replayed == 1
                await failing.die((await messages_of(bus, topic, round_ + 1))[-1])
            summary = await letters.replay(max_replays=2)

            assert (summary.replayed, summary.refused) == (0, 1)
            assert [each.replays async for each in letters] == [0, 1, 2]
            assert (await letters.replay(max_replays=3)).replayed == 1

    asyncio.run(scenario())


def test_two_replays_at_once_repeat_and_lose_nothing(world: World) -> None:
    """They share the partitions as members of one group, also when one joins while the other is at it."""
    lost = [Outgoing(b"%d" % n, key=b"%d" % n) for n in range(120)]

    async def scenario() -> None:
        async with world.topics(2) as (bus, (topic, dlq)):
            await Failing(bus, topic, dlq).lose(lost)
            letters = bus.dead_letters(dlq)
            begun = asyncio.Event()

            def watch(done: int, total: int) -> None:
                begun.set()

            async def join() -> int:
                await begun.wait()
                return (await letters.replay(rate=200)).replayed

            one, other = await asyncio.gather(letters.replay(rate=60, watch=watch), join())
            rest = await letters.replay()

            assert one.replayed + other + rest.replayed == 120
            back = await messages_of(bus, topic, 240)
            assert sorted(m.value or b"" for m in back) == sorted([each.value or b"" for each in lost] * 2)

    asyncio.run(scenario())
