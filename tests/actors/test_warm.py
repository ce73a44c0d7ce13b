"""A partition that goes and comes back: what it had in hand is used again, if nobody else has had it."""

import asyncio

from tests.actors.scripted import AT, OTHER, QUICK, Outage, RunningConsumer, ScriptedBroker, Worker
from tests.simulated import pass_time, run, until

from partita.actors.warm import KEPT_SECONDS, Unhandled, WarmStore
from partita.core.finished import Finished
from partita.core.ports import Commit, Fetch

VALUES = [b"0", b"1", b"2", b"3", b"4"]


class Gated:
    """A handler that waits at some values until it is let through."""

    def __init__(self, *values: bytes) -> None:
        self.closed = set(values)
        self.started: list[bytes] = []
        self.done: list[bytes] = []
        self._changed = asyncio.Event()

    async def __call__(self, value: bytes) -> None:
        self.started.append(value)
        while value in self.closed:
            await self._changed.wait()
        self.done.append(value)

    def let(self, *values: bytes) -> None:
        """These may go on."""
        self.closed -= set(values)
        self._changed.set()
        self._changed = asyncio.Event()


async def there_and_back(broker: ScriptedBroker) -> None:
    """The partition is revoked and assigned again."""
    await broker.member.listener.revoked([AT])
    broker.member.listener.assigned([AT])


def test_what_was_in_hand_is_handled_without_being_read_again() -> None:
    """The rest of the fetch that was being read, and those behind it; nothing is fed a second time."""
    broker, handler = ScriptedBroker(AT), Gated(b"1")

    async def scenario() -> None:
        async with RunningConsumer(broker, handler, drain_timeout=5.0) as running:
            broker.member.feed(AT, *VALUES[:3])
            broker.member.feed(AT, *VALUES[3:])
            await until(lambda: handler.started == [b"0", b"1"])
            leaving = asyncio.create_task(there_and_back(broker))
            await pass_time(1)
            handler.let(b"1")
            await leaving
            await until(lambda: broker.stored == {AT: 5})
            assert running.consumer.handled == 5

    run(scenario())

    assert handler.started == VALUES
    assert broker.skipped == {AT: 5}


def test_a_message_whose_handler_did_not_end_is_handled_again_and_those_above_it_are_not() -> None:
    """Under the new lease: what the cancelled handler does no longer counts."""
    broker, handler = ScriptedBroker(AT), Gated(b"1")

    async def scenario() -> None:
        async with RunningConsumer(broker, handler, drain_timeout=1.0, order="none"):
            broker.member.feed(AT, *VALUES)
            await until(lambda: len(handler.done) == 4)
            await there_and_back(broker)
            await until(lambda: handler.started.count(b"1") == 2)
            assert broker.stored == {AT: 1}
            handler.let(b"1")
            await until(lambda: broker.stored == {AT: 5})

    run(scenario())

    assert sorted(handler.started) == sorted([*VALUES, b"1"])
    assert sorted(handler.done) == VALUES


def test_a_message_that_waits_for_its_next_attempt_is_tried_again() -> None:
    """It is unfinished, and so are those that waited behind it."""
    broker, worker = ScriptedBroker(AT), Worker(ValueError("no"))

    async def scenario() -> None:
        async with RunningConsumer(broker, worker, retry=type(QUICK)(attempts=2, backoff=30.0)):
            broker.member.feed(AT, *VALUES)
            await until(lambda: worker.values)
            await there_and_back(broker)
            await until(lambda: broker.stored == {AT: 5}, seconds=5)

    run(scenario())

    assert worker.values == [b"0", *VALUES]


def test_what_comes_again_all_the_same_is_left_out() -> None:
    """The client had fetched from the commit before it was told; what lies beyond is handled."""
    broker, worker = ScriptedBroker(AT), Worker(ValueError("no"))

    async def scenario() -> None:
        async with RunningConsumer(broker, worker, retry=type(QUICK)(attempts=2, backoff=30.0)):
            broker.member.feed(AT, *VALUES[:3])
            await until(lambda: worker.values)
            await there_and_back(broker)
            broker.rewind(AT)
            broker.member.feed(AT, *VALUES[:2])
            broker.member.feed(AT, VALUES[2], b"3", b"4")
            broker.member.feed(AT, b"5")
            await until(lambda: broker.stored == {AT: 6})

    run(scenario())

    assert worker.values == [b"0", b"0", b"1", b"2", b"3", b"4", b"5"]


def test_what_comes_twice_because_the_client_goes_back_is_left_out() -> None:
    """It was told to skip to what is not in hand, and had fetched beyond that already."""
    broker, worker = ScriptedBroker(AT), Worker(ValueError("no"))

    async def scenario() -> None:
        async with RunningConsumer(broker, worker, retry=type(QUICK)(attempts=2, backoff=30.0)):
            broker.member.feed(AT, *VALUES[:3])
            await until(lambda: worker.values)
            await there_and_back(broker)
            broker.rewind(AT)
            broker.member.feed(AT, *VALUES[:4])
            broker.member.feed(AT, b"4", b"5")
            await until(lambda: broker.skipped == {AT: 3})
            broker.rewind(AT, to=3)
            broker.member.feed(AT, b"3")
            broker.member.feed(AT, b"4", b"5", b"6")
            await until(lambda: broker.stored == {AT: 7})

    run(scenario())

    assert worker.values == [b"0", b"0", b"1", b"2", b"3", b"4", b"5", b"6"]


def test_what_was_in_hand_is_thrown_away_when_somebody_else_had_the_partition() -> None:
    """The commit is not the one that this member made, so it says what is handled and what is not."""
    broker, worker = ScriptedBroker(AT), Worker(ValueError("no"))

    async def scenario() -> None:
        async with RunningConsumer(broker, worker, retry=type(QUICK)(attempts=2, backoff=30.0)):
            broker.member.feed(AT, *VALUES)
            await until(lambda: worker.values)
            await broker.member.listener.revoked([AT])
            broker.stored[AT] = 3
            broker.member.listener.assigned([AT])
            broker.rewind(AT)
            broker.member.feed(AT, *VALUES[3:])
            await until(lambda: broker.stored == {AT: 5})

    run(scenario())

    assert worker.values == [b"0", b"3", b"4"]
    assert broker.skipped == {}


def test_nothing_is_kept_of_a_partition_that_was_lost_or_whose_commit_was_refused() -> None:
    """Somebody else has it, or what was finished is not stored: the broker's word is all that counts."""
    broker, worker = ScriptedBroker(AT, OTHER), Worker(*[ValueError("no")] * 2)

    async def scenario() -> None:
        async with RunningConsumer(broker, worker, retry=type(QUICK)(attempts=2, backoff=30.0), order="key"):
            broker.member.feed(AT, b"a", b"b")
            broker.member.feed(OTHER, b"c", b"d")
            await until(lambda: len(worker.values) >= 2)
            broker.refused = {OTHER: Outage("away")}
            broker.member.listener.lost([AT])
            await broker.member.listener.revoked([OTHER])
            broker.member.listener.assigned([AT, OTHER])
            await pass_time(5)

    run(scenario())

    assert broker.skipped == {}


def test_a_refused_beginning_costs_nothing_of_what_was_in_hand() -> None:
    """It waits for the beginning, as what arrives does."""
    broker, worker = ScriptedBroker(AT), Worker(ValueError("no"))

    async def scenario() -> None:
        async with RunningConsumer(broker, worker, retry=type(QUICK)(attempts=2, backoff=30.0)):
            broker.member.feed(AT, *VALUES)
            await until(lambda: worker.values)
            broker.begin_errors = [Outage("away")] * 3
            await there_and_back(broker)
            await until(lambda: broker.stored == {AT: 5})

    run(scenario())

    assert worker.values == [b"0", *VALUES]


def test_a_partition_that_went_again_before_it_began_skips_nothing_under_its_next_lease() -> None:
    """The broker's answer was for the lease before: the next one reads from the commit, and loses nothing."""
    broker, worker = ScriptedBroker(AT), Worker(ValueError("no"))

    async def scenario() -> None:
        async with RunningConsumer(broker, worker, retry=type(QUICK)(attempts=2, backoff=30.0)):
            broker.member.feed(AT, *VALUES)
            await until(lambda: worker.values)
            broker.answering.clear()
            asked = len(broker.asked)
            await there_and_back(broker)
            await until(lambda: len(broker.asked) > asked)
            await there_and_back(broker)
            broker.answering.set()
            broker.rewind(AT)
            broker.member.feed(AT, *VALUES)
            await until(lambda: broker.stored == {AT: 5})

    run(scenario())

    assert worker.values == [b"0", *VALUES]
    assert broker.skipped == {}


def unhandled(size: int) -> Unhandled:
    """So many bytes in hand."""
    return Unhandled(Commit(0), Finished(), [Fetch(AT, (), 1, size, 0)], size)


def test_what_is_kept_is_bounded_in_time_and_in_size() -> None:
    """The oldest goes first, and what is too large by itself is not kept at all."""

    async def scenario() -> None:
        store = WarmStore(most_bytes=100)
        store.keep(AT, unhandled(60))
        store.keep(OTHER, unhandled(50))
        assert repr(store) == "<WarmStore 1 partitions, 50 bytes>"
        assert store.take(AT) is None
        store.keep(AT, unhandled(101))
        assert store.size_bytes == 0
        store.keep(AT, unhandled(1))
        await pass_time(KEPT_SECONDS + 1)
        assert store.take(AT) is None
        store.keep(AT, unhandled(1))
        store.clear()
        assert store.size_bytes == 0

    run(scenario())
