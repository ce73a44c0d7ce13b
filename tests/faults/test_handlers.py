"""Handlers that fail, hang, raise what no handler should, or are slow on one key, on a real Kafka."""

import asyncio
from collections import Counter
from collections.abc import Mapping

import pytest
from tests.faults.invariants import all_handled, commits_are_safe, in_key_order, read_ahead, repeated
from tests.faults.members import Group, group, until

from partita import Message, Retry
from partita.middleware import Deduplicate


class Final(Exception):
    """An error that no other attempt helps."""


class Unusual(BaseException):
    """Not an Exception."""


ERRORS: Mapping[int, BaseException] = {
    10: ValueError("plain"),
    20: Unusual("base"),
    30: GeneratorExit(),
    40: asyncio.CancelledError(),
    50: ExceptionGroup("nested", [ValueError("a"), ExceptionGroup("inner", [KeyError("b")])]),
    60: BaseExceptionGroup("mixed", [ValueError("a"), Unusual("b")]),
    70: ExceptionGroup("final inside", [ValueError("a"), ExceptionGroup("inner", [Final("b")])]),
    80: Final("alone"),
}
SPAN = 20_000
ONCE = {70, 80}  # a group is tried again only if each error in it is


async def letters(used: Group, topic: str) -> dict[tuple[int, int], int]:
    """Where each dead letter was, and how many attempts it had."""
    return {(each.partition, each.offset): each.attempts async for each in used.bus.dead_letters(topic)}


def test_whatever_a_handler_raises_costs_its_own_message_only(kafka: str) -> None:
    """Errors, groups of them and what is no Exception: each message is tried as its route says and then
    a dead letter; all others are handled once, in order, and the commits pass over."""
    calls: Counter[tuple[int, int]] = Counter()

    async def handle(message: Message) -> None:
        calls[message.partition, message.offset] += 1
        await asyncio.sleep(0)
        if error := ERRORS.get(int(message.value or b"")):
            raise error

    async def scenario() -> None:
        async with group(kafka, partitions=2) as used:
            dead = f"{used.topic}.dead"
            await used.bus.create_topic(dead, partitions=1)
            retry = Retry(attempts=2, backoff=0.01, give_up_on=(Final,))
            await used.publish(100)
            await used.join("a", handle, order="key", retry=retry, dead_letter=dead)
            await until(lambda: used.watch.sum() >= 100, "everything is committed")
            bad = {used.published[n]: 1 if n in ONCE else 2 for n in ERRORS}
            events = used.log.events

            assert await letters(used, dead) == bad
            assert calls == {place: bad.get(place, 1) for place in used.published}
            all_handled(events, set(used.published) - set(bad))
            in_key_order([each for each in events if each.place not in bad])
            commits_are_safe(events, used.watch.answers, given_up=bad)

    asyncio.run(scenario())


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_a_handler_that_asks_for_the_end_gets_it_in_good_order(
    error: type[BaseException], kafka: str
) -> None:
    """Its own message stays, the others in hand are finished and committed, and the next member repeats
    that one message only."""
    asked: list[tuple[int, int]] = []

    async def handle(message: Message) -> None:
        await asyncio.sleep(0.01)
        if message.value == b"37" and not asked:
            asked.append((message.partition, message.offset))
            raise error

    async def scenario() -> None:
        async with group(kafka, partitions=2) as used:
            await used.publish(100)
            first = await used.join("a", handle, order="none", concurrency=8)
            summary = await first.running
            await used.join("b", handle, order="none", concurrency=8)
            await used.all_done()
            events = used.log.events

            assert summary.abandoned == 0
            all_handled(events, used.published)
            commits_are_safe(events, used.watch.answers)
            assert repeated(events) == set(asked)

    asyncio.run(scenario())


def test_a_message_that_hangs_is_given_up_at_its_time_out_and_others_flow(kafka: str) -> None:
    """The route's time-out ends each attempt, also when the handler swallows its cancellation once; then
    it is a dead letter, and no other key has waited for it."""

    async def handle(message: Message) -> None:
        if message.offset != 3:
            return
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)

    async def scenario() -> None:
        async with group(kafka, partitions=1) as used:
            dead = f"{used.topic}.dead"
            await used.bus.create_topic(dead, partitions=1)
            await used.publish(400)
            await used.join(
                "a", handle, order="key", timeout=0.3, retry=Retry(attempts=2, backoff=0.01), dead_letter=dead
            )
            await until(lambda: used.watch.sum() >= 400, "everything is committed")
            events = used.log.events

            assert await letters(used, dead) == {(0, 3): 2}
            all_handled(events, set(used.published) - {(0, 3)})
            commits_are_safe(events, used.watch.answers, given_up=[(0, 3)])
            second = [e.at for e in events if e.name == "start" and e.place == (0, 3)][1]
            before = [e for e in events if e.name == "done" and e.at < second and e.key != "k3"]
            assert len(before) == 390

    asyncio.run(scenario())


def test_what_cannot_be_decoded_is_a_dead_letter_without_another_attempt(kafka: str) -> None:
    """A null value for a handler of bytes: it is never called, and the letter says one attempt."""
    handled: list[bytes] = []

    async def take(value: bytes) -> None:
        handled.append(value)

    async def scenario() -> None:
        async with group(kafka, partitions=1) as used:
            dead = f"{used.topic}.dead"
            await used.bus.create_topic(dead, partitions=1)
            for value in (b"1", None, b"", b"2"):
                await used.bus.publish(used.topic, value)
            subscription = await used.bus.subscribe(used.topic, take, group=used.name, dead_letter=dead)
            await until(lambda: used.watch.sum() == 4, "everything is committed")
            await subscription.drain()

            assert await letters(used, dead) == {(0, 1): 1}
            assert handled == [b"1", b"", b"2"]

    asyncio.run(scenario())


def test_a_storm_of_retries_is_bounded_and_ends(kafka: str) -> None:
    """Half of ten thousand calls fail: no more than a thousand messages of a partition are unfinished at
    once, and in the end each is handled, in order."""
    calls: Counter[tuple[int, int]] = Counter()

    async def handle(message: Message) -> None:
        calls[message.partition, message.offset] += 1
        if message.offset % 2 and calls[message.partition, message.offset] == 1:
            raise ValueError

    async def scenario() -> None:
        async with group(kafka, partitions=2) as used:
            await used.publish(7_000, keys=3_500)
            await used.join("a", handle, order="key", retry=Retry(backoff=0.05))
            await used.all_done()
            events = used.log.events

            all_handled(events, used.published)
            in_key_order(events)
            commits_are_safe(events, used.watch.answers)
            assert read_ahead(events)[0] <= 1000
            assert sum(calls.values()) > 10_000

    asyncio.run(scenario())


def test_other_keys_flow_beside_a_hot_one_and_the_reading_is_bounded(kafka: str) -> None:
    """Nine of ten messages have one key: its calls come one after the other, those of the other keys are
    done long before, and what is unfinished stays within its limit."""

    async def handle(message: Message) -> None:
        await asyncio.sleep(0.001 if message.key == b"hot" else 0)

    async def scenario() -> None:
        async with group(kafka, partitions=1) as used:
            await used.publish(1_500, key_of=lambda n: b"k%d" % n if n % 10 == 0 else b"hot")
            await used.join("a", handle, order="key", concurrency=16)
            await used.all_done()
            events = used.log.events

            all_handled(events, used.published)
            in_key_order(events)
            commits_are_safe(events, used.watch.answers)
            assert read_ahead(events)[0] <= 1000
            done = [each.key for each in events if each.name == "done"]
            assert len([key for key in done[:300] if key != "hot"]) >= 95

    asyncio.run(scenario())


def test_a_message_that_hangs_stops_its_partition_at_the_span_and_frees_it(kafka: str) -> None:
    """Twenty thousand others go past it, then the reading stops; the committed offset stays below it until
    it is done, and then everything goes on."""
    release = asyncio.Event()

    async def handle(message: Message) -> None:
        if message.offset == 0:
            await release.wait()

    async def scenario() -> None:
        async with group(kafka, partitions=1) as used:
            await used.publish(30_000, keys=0)
            await used.join("a", handle, order="none", concurrency=16)
            await until(lambda: used.log.count() >= SPAN - 1, "the span is full")
            stuck = await used.watch.look()
            release.set()
            await used.all_done()
            events = used.log.events

            assert stuck.offsets.get(0, 0) == 0
            assert read_ahead(events)[1] <= SPAN
            all_handled(events, used.published)
            commits_are_safe(events, used.watch.answers)
            assert repeated(events) == set()

    asyncio.run(scenario())


def test_a_replayed_partition_has_its_effects_once(kafka: str) -> None:
    """Its offsets are set back to the beginning, and a handler behind `Deduplicate` does nothing again."""
    effects: list[bytes | None] = []

    async def handle(message: Message) -> None:
        effects.append(message.value)

    async def scenario() -> None:
        async with group(kafka, partitions=2) as used:
            seen = Deduplicate(key=lambda message: message.value)
            await used.publish(100)
            first = await used.join("a", handle, middleware=[seen])
            await used.all_done()
            await first.leave()
            await used.watch.set_back(used.topic, partitions=2)
            await used.join("a", handle, middleware=[seen])
            await until(lambda: used.watch.sum() == 100, "everything is committed again")

            assert Counter(effects) == Counter(b"%d" % n for n in range(100))

    asyncio.run(scenario())
