"""What a partition tells of what it has in hand."""

import asyncio
from collections.abc import Sequence

import pytest
from tests.actors.scripted import AT, NoPump, Worker, routes_to
from tests.actors.test_partition import opened, partition_with

from partita.actors.holding import held
from partita.actors.messages import OpenMessage
from partita.actors.partition import Partition
from partita.backends.memory.records import MemoryRecord
from partita.core.backlog import ENOUGH
from partita.core.extents import Held
from partita.core.finished import Finished
from partita.core.flow import FlowGate
from partita.core.leases import Lease
from partita.core.ports import Commit, Fetch


def known(partition: Partition) -> Held:
    """What it tells."""
    found = held(partition)
    assert found is not None
    return found


def record(offset: int, timestamp: int, key: bytes | None = None) -> MemoryRecord:
    """A message with a time."""
    return MemoryRecord("orders", 0, offset, timestamp, key, b"x", ())


def holding(*records: MemoryRecord, order: str = "partition", lazy: bool = False) -> Partition:
    """A partition to which these have arrived."""
    partition = Partition(Lease(AT), routes_to(Worker(), order=order), FlowGate(), NoPump())
    given = (each for each in records) if lazy else list(records)
    partition.feed(Fetch(AT, given, records[-1].offset + 1, 1, records[0].offset))
    return partition


def test_nothing_is_told_of_a_partition_that_has_not_begun() -> None:
    """Until something was read, or where it begins is known."""
    partition = partition_with()

    before = held(partition)
    partition.start = Commit(7)

    assert before is None
    assert (known(partition).position, known(partition).in_hand) == (7, 0)


def test_tells_the_message_in_hand_and_how_many_stand_behind_it() -> None:
    """Its time is the oldest; what is read lazily is not counted, since that would read it."""
    partition, lazy = holding(record(3, 1_000), record(4, 2_000)), holding(record(3, 1_000), lazy=True)
    for each in (partition, lazy):
        each.record = next(iter(each.unread.slice(1)))

    told = known(partition)

    assert (told.position, told.oldest, told.in_hand, told.blocked) == (3, 1_000, 2, False)
    assert (known(lazy).oldest, known(lazy).in_hand) == (1_000, None)


def test_messages_that_nobody_can_count_make_no_number() -> None:
    """Also while they wait for their turn."""
    partition = partition_with()
    partition.start = Commit(0)
    partition.feed(Fetch(AT, iter([record(0, 1)]), 1, 1, 0))
    partition.feed(Fetch(AT, [record(1, 1)], 2, 1, 1))
    uncounted = known(partition).in_hand
    sized = partition_with((b"1", b"2"), (b"3",))
    sized.start = Commit(0)

    assert uncounted == 2  # a list's iterator can tell
    assert known(sized).in_hand == 3
    sized.feed(Fetch(AT, (each for each in [record(3, 1)]), 4, 1, 3))
    assert known(sized).in_hand is None


def test_tells_the_first_open_message_and_what_is_finished_above() -> None:
    """A message that is finished out of turn does not wait."""
    partition = holding(record(0, 1_000), record(1, 2_000), record(2, 3_000), order="none")
    messages = [opened(partition, each) for each in partition.unread.slice(3)]
    partition.leave(messages[1])

    told = known(partition)

    assert (told.position, told.oldest, told.in_hand) == (0, 1_000, 2)
    assert told.finished == Finished.of([1])


@pytest.mark.parametrize(
    ("calling", "timed", "blocked"), [(True, False, False), (False, True, True), (False, False, False)]
)
def test_a_partition_whose_messages_all_wait_for_a_timer_is_blocked(
    calling: bool, timed: bool, blocked: bool
) -> None:
    """One whose handler runs is not; nor is one that only waits for a call to be free."""

    async def scenario() -> None:
        partition = partition_with((b"1", b"2"))
        message = opened(partition, next(partition.unread.slice(1)))
        message.calling = calling
        if timed:
            message.timer = asyncio.get_running_loop().call_later(60.0, print)

        assert known(partition).blocked is blocked
        partition.end()

    asyncio.run(scenario())


def test_a_partition_that_can_begin_another_message_is_not_blocked() -> None:
    """Under order by key one key waits and the others go on."""

    async def scenario() -> None:
        partition = partition_with((b"1", b"2"), order="none")
        message = opened(partition, next(partition.unread.slice(1)))
        message.timer = asyncio.get_running_loop().call_later(60.0, print)

        assert not known(partition).blocked
        partition.end()

    asyncio.run(scenario())


def test_one_key_that_most_messages_wait_for_is_hot() -> None:
    """Among many; a few messages say nothing, and many keys are none."""
    hot = laned([b"hot" if offset % 4 else b"%d" % offset for offset in range(ENOUGH)])
    few = laned([b"hot"] * (ENOUGH - 1))
    even = laned([b"%d" % (offset // 2) for offset in range(ENOUGH)])

    assert [known(each).hot_key for each in (hot, few, even)] == [True, False, False]


def laned(keys: Sequence[bytes]) -> Partition:
    """A partition with an open message for each of *keys*, in its lane."""
    partition = partition_with(order="key")
    for offset, key in enumerate(keys):
        each = record(offset, 1_000, key)
        route = partition.routes.pick(each)
        partition.enter(OpenMessage(partition, each, route, key), behind=key in partition.lanes)
    return partition
