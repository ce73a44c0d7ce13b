"""A message that ends the process which handles it: found, tried as often as its route says, and given up."""

import asyncio
from collections import Counter

import pytest
from tests.actors.scripted import (
    AT,
    OTHER,
    READER,
    NoPump,
    Outage,
    RunningConsumer,
    ScriptedBroker,
    Worker,
    routes_to,
)
from tests.actors.test_attack import Running, route_of
from tests.simulated import pass_time, run, until

from partita.actors.care import CarefulRoutes
from partita.actors.holds import Postponed
from partita.actors.messages import OpenMessage
from partita.actors.partition import Partition
from partita.actors.routes import TopicRoutes
from partita.core.finished import Finished
from partita.core.flow import FlowGate
from partita.core.leases import Lease
from partita.core.offset_map import OffsetMap
from partita.core.ports import TopicPartition
from partita.core.retries import Retry

VALUES = [b"%d" % number for number in range(8)]
POISON = VALUES[3]
TWICE = Retry(attempts=2, backoff=0.1, jitter=0.0)


class Owners:
    """
    One owner after the other of a partition, each of which ends without a word at the poison.

    Attributes:
        calls: how often the handler was called with each value.
        letters: what was given up, with its attempts and its error.
        deaths: how many owners have ended so.
        most: how many calls were under way at once in those that took care.
    """

    def __init__(self, order: str, *, poison: bytes = POISON, bury: bool = True) -> None:
        self.broker = ScriptedBroker(AT)
        self.order, self.poison, self.with_bury = order, poison, bury
        self.calls: Counter[bytes] = Counter()
        self.letters: list[tuple[int, int, str]] = []
        self.deaths = self.most = self._under_way = 0
        self._died = asyncio.Event()

    async def handle(self, value: bytes) -> None:
        """Handle, or end the process."""
        self.calls[value] += 1
        self._under_way += 1
        self.most = max(self.most, self._under_way) if self.deaths >= 2 else 0
        await pass_time(0.01)
        if value == self.poison:
            self._died.set()
            await asyncio.Event().wait()
        self._under_way -= 1

    async def bury(self, message: OpenMessage) -> None:
        """Note it."""
        self.letters.append((message.offset, message.attempt, str(message.last)))

    async def once(self, values: list[bytes]) -> bool:
        """One owner; whether it came to the end of what there is."""
        self._died, self._under_way = asyncio.Event(), 0
        running = RunningConsumer(self.broker, self.handle, retry=TWICE, order=self.order)
        if self.with_bury:
            running.routes.kinds[None].bury = self.bury
        async with running:
            self.broker.rewind(AT)
            self.broker.member.feed(AT, *values[self.broker.stored.get(AT, 0) :])
            end = asyncio.create_task(until(lambda: self.broker.stored.get(AT) == len(values)))
            died = asyncio.create_task(self._died.wait())
            await asyncio.wait([end, died], timeout=200.0, return_when=asyncio.FIRST_COMPLETED)
            self.deaths += self._died.is_set()
            for each in (end, died):
                each.cancel()
            return end.done() and not end.cancelled()


@pytest.mark.parametrize("order", ["partition", "key", "none"])
def test_a_message_that_ends_processes_becomes_a_dead_letter(order: str) -> None:
    """Two owners end without knowing why, and two more of its two attempts; then everything is handled."""
    owners = Owners(order)

    async def scenario() -> None:
        for _ in range(10):
            if await owners.once(VALUES):
                break

    run(scenario())

    assert owners.deaths == owners.calls[POISON] == 4
    assert owners.letters == [(3, 2, "the process has ended 2 times while this message was handled")]
    assert all(owners.calls[value] for value in VALUES)
    assert owners.most == 1
    assert owners.broker.stored == {AT: len(VALUES)}
    assert owners.broker.metadata == {AT: ""}


def test_a_message_beyond_the_first_fetch_is_found_too() -> None:
    """Each careful owner comes a fetch further, and the next begins nearer to it."""
    owners = Owners("none", poison=b"late")
    values = [*VALUES, b"late"]

    async def scenario() -> bool:
        for _ in range(12):
            owners.broker.fetches_per_poll = 1
            if await owners.once(values):
                return True
        return False

    found, _ = run(scenario())

    assert found
    assert [letter[0] for letter in owners.letters] == [8]


def test_without_a_dead_letter_topic_it_is_parked_and_never_called_again() -> None:
    """It holds up its key and nothing else, also over the next owners that leave in good order."""
    owners = Owners("none", bury=False)

    async def scenario() -> None:
        for _ in range(4):
            await owners.once(VALUES)
        assert owners.deaths == 4
        running = RunningConsumer(owners.broker, owners.handle, retry=TWICE, order="none")
        async with running:
            owners.broker.rewind(AT)
            owners.broker.member.feed(AT, *VALUES[owners.broker.stored[AT] :])
            await until(lambda: list(running.consumer.parked))
            await pass_time(300)
            await owners.broker.member.listener.revoked([AT])
        assert owners.calls[POISON] == 4
        stored = OffsetMap.decode(owners.broker.stored[AT], owners.broker.metadata[AT])
        assert stored.tried == {3: 2}

    run(scenario())


def test_an_attempt_begins_when_it_is_stored_and_not_before() -> None:
    """While the broker refuses, nothing is called; a partition that goes away meanwhile spends no attempt."""
    broker, called = ScriptedBroker(AT, OTHER), list[bytes]()
    broker.stored[AT], broker.metadata[AT] = 0, OffsetMap(unclean=2).encode(0)

    async def handle(value: bytes) -> None:
        called.append(value)

    async def scenario() -> None:
        async with RunningConsumer(broker, handle):
            broker.refused = {AT: Outage("away")}
            broker.member.feed(AT, b"1", b"2")
            await pass_time(5)
            assert called == []
            leaving = asyncio.create_task(broker.member.listener.revoked([AT]))
            await pass_time(0.2)
            broker.refused = {}
            await leaving

    run(scenario())

    assert called == []
    left = OffsetMap.decode(0, broker.metadata[AT])
    assert (left.unclean, left.tried) == (2, {})
    assert broker.stored[AT] == 0


def test_nothing_begins_when_the_partition_was_stopped_while_its_attempt_was_stored() -> None:
    """A drain waits for what runs when it begins, and for nothing that begins after that."""
    worker, broker = Worker(), ScriptedBroker(AT)
    partition = Partition(Lease(AT), routes_to(worker), FlowGate(), NoPump())
    (record,) = broker.fetch(AT, b"1").records

    async def store(stored: Partition) -> bool:
        stored.stop()
        return True

    async def scenario() -> None:
        careful = CarefulRoutes(partition, store).pick(record)
        with pytest.raises(Postponed):
            await careful.call(record, 1)

    run(scenario())

    assert worker.calls == []
    assert partition.deaths.beside(0, Finished(), leaving=False).tried == {}


def test_after_the_first_fetch_messages_are_handled_as_ever() -> None:
    """The topic's own routes are back, and nothing is stored before each message."""
    broker, called = ScriptedBroker(AT), list[bytes]()
    broker.stored[AT], broker.metadata[AT] = 0, OffsetMap(unclean=2).encode(0)

    async def handle(value: bytes) -> None:
        called.append(value)
        await pass_time(0.001)

    async def scenario() -> tuple[int, int]:
        async with RunningConsumer(broker, handle, order="none") as running:
            own = running.routes
            assert running.consumer.partitions[AT].routes is own
            broker.member.feed(AT, *VALUES)
            await until(lambda: len(called) == 8)
            assert running.consumer.partitions[AT].routes is not own
            careful = len(broker.commits)
            broker.member.feed(AT, *VALUES)
            await until(lambda: broker.stored[AT] == 16)
            assert running.consumer.partitions[AT].routes is own
            return careful, len(broker.commits) - careful

    (careful, later), _ = run(scenario())

    assert careful >= 8
    assert later <= 3


@pytest.mark.parametrize("concurrency", [1, 2, 3])
@pytest.mark.parametrize("order", ["partition", "key", "none"])
def test_care_for_several_partitions_makes_no_more_calls_than_the_route_may(
    order: str, concurrency: int
) -> None:
    """A route's concurrency counts over its careful partitions and the others, and all of it is used."""
    partitions = [TopicPartition("orders", number) for number in range(5)]
    broker = ScriptedBroker(*partitions)
    for at in partitions[:4]:
        broker.stored[at], broker.metadata[at] = 0, OffsetMap(unclean=2).encode(0)
    under_way: Counter[bytes] = Counter()
    seen: list[int] = []

    async def handle(value: bytes) -> None:
        under_way[value] += 1
        seen.append(under_way.total())
        await pass_time(0.1)
        under_way[value] -= 1

    async def scenario() -> None:
        topics = {"orders": TopicRoutes({None: route_of(handle, order, concurrency)}, "type", READER)}
        async with Running(broker, topics, workers=9):
            for at in partitions:
                broker.member.feed(at, *VALUES)
            await until(lambda: all(broker.stored.get(at) == len(VALUES) for at in partitions))

    run(scenario())

    assert len(seen) == len(partitions) * len(VALUES)
    assert max(seen) == concurrency


def test_a_careful_partition_that_hangs_takes_one_call_and_leaves_the_others() -> None:
    """What waits behind a careful message in hand is not offered the calls that other partitions can use."""
    broker = ScriptedBroker(AT, OTHER)
    broker.stored[AT], broker.metadata[AT] = 0, OffsetMap(unclean=2).encode(0)
    handled: list[bytes] = []

    async def handle(value: bytes) -> None:
        await (asyncio.Event().wait() if value == b"hangs" else pass_time(0.1))
        handled.append(value)

    async def scenario() -> None:
        topics = {"orders": TopicRoutes({None: route_of(handle, "none", 2)}, "type", READER)}
        async with Running(broker, topics, workers=9):
            broker.member.feed(AT, b"hangs", *[b"behind"] * 5)
            broker.member.feed(OTHER, *VALUES)
            await until(lambda: len(handled) == len(VALUES))

    run(scenario())

    assert sorted(handled) == VALUES
