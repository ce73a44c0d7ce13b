"""What stands in a partition between two turns of its pump."""

import asyncio
from collections.abc import Callable

import pytest
from tests.actors.scripted import AT, READER, NoPump, ScriptedBroker, Worker, routes_to

from partita.actors.messages import OpenMessage
from partita.actors.partition import Partition
from partita.core.finished import Finished
from partita.core.flow import FlowGate
from partita.core.leases import Lease


def partition_with(
    *fetches: tuple[bytes, ...], order: str = "partition", gate: FlowGate | None = None
) -> Partition:
    """A partition to which *fetches* have arrived."""
    broker = ScriptedBroker()
    routes = routes_to(Worker(), order=order)
    partition = Partition(Lease(AT), routes, gate or FlowGate(), NoPump())
    for values in fetches:
        partition.feed(broker.fetch(AT, *values))
    return partition


def read(partition: Partition, most: int) -> list[object]:
    """Read a slice as a pump does whose handlers do not suspend."""
    records = list(partition.unread.slice(most))
    partition.record = records[-1] if records else None
    partition.unread.taken()
    partition.read_past()
    return records


def opened(partition: Partition, record: object) -> OpenMessage:
    """The message of *record*, unfinished from now on."""
    route = partition.routes.pick(record)
    message = OpenMessage(partition, record, route, route.lane_of(record))
    partition.enter(message)
    return message


def above(partition: Partition) -> list[tuple[int, int]]:
    """The runs of what is finished above the commit point."""
    return list(partition.finished_above().runs())


def test_nothing_is_committable_before_something_was_read() -> None:
    """An assignment alone commits nothing."""
    partition = partition_with((b"1",))

    assert partition.committable is None
    assert partition.room
    assert not partition.quiet


def test_commits_up_to_the_message_in_hand() -> None:
    """Unfinished is what is in hand."""
    partition = partition_with((b"1", b"2"))

    first, second = partition.unread.slice(2)
    partition.record = first
    assert partition.committable == 0
    partition.record = second

    assert partition.committable == 1


def test_commits_the_last_finished_message_in_the_middle_of_a_fetch() -> None:
    """A stop between two messages of one fetch must not repeat those that are handled."""
    partition = partition_with((b"1", b"2", b"3"))

    read(partition, 2)

    assert partition.committable == 2


def test_gaps_at_the_end_of_a_fetch_are_read_past() -> None:
    """Transaction markers and compacted records have offsets that nobody sees."""
    broker, partition = ScriptedBroker(), partition_with()
    fetch = broker.fetch(AT, b"1")
    fetch.end_offset = 9
    partition.feed(fetch)

    read(partition, 5)

    assert partition.committable == 9
    assert partition.quiet


def test_a_fetch_that_tells_its_number_is_let_go_with_its_last_message() -> None:
    """Nothing is held for a message that is already read."""
    partition = partition_with((b"1", b"2"))

    read(partition, 2)

    assert partition.quiet


def test_a_fetch_that_cannot_tell_its_number_is_let_go_with_the_next_look_at_it() -> None:
    """A lazy reader fits: only its end says that it has ended."""
    partition = partition_with()
    fetch = ScriptedBroker().fetch(AT, b"1", b"2")
    fetch.records = (each for each in fetch.records)
    partition.feed(fetch)

    read(partition, 2)
    assert not partition.quiet
    read(partition, 2)

    assert partition.quiet


def test_a_fetch_is_let_go_when_it_is_read_and_an_open_message_when_it_is_finished() -> None:
    """The gate counts what waits here, and what is unfinished."""
    partition = partition_with((b"12345", b"67890"), gate=FlowGate(10), order="none")
    assert partition.gate.closed
    records = list(partition.unread.slice(5))
    message = opened(partition, records[0])

    partition.unread.taken()
    partition.read_past()
    assert partition.gate.held == 5
    partition.leave(message)

    assert partition.gate.held == 0
    assert not partition.gate.closed


def test_commits_below_the_first_unfinished_message_and_knows_what_is_finished_above() -> None:
    """What is finished above the commit point can be told, so that a restart need not repeat it."""
    partition = partition_with((b"0", b"1", b"2", b"3"), order="none")
    records = list(partition.unread.slice(9))
    first, third = opened(partition, records[0]), opened(partition, records[2])
    partition.record = records[3]
    partition.unread.taken()
    partition.read_past()

    assert (partition.committable, above(partition)) == (0, [(1, 2), (3, 4)])
    partition.leave(first)
    assert (partition.committable, above(partition)) == (2, [(3, 4)])
    partition.leave(third)

    assert (partition.committable, above(partition)) == (4, [])


def test_what_former_owners_finished_is_left_out_and_told_until_it_is_read_past() -> None:
    """A second restart must not forget it."""
    partition = partition_with((b"0", b"1", b"2", b"3"), order="none")
    partition.resume(Finished.of([1, 3]))

    records = list(partition.unread.slice(9))
    hanging = opened(partition, records[0])
    assert [READER.value(each) for each in records] == [b"0", b"2"]
    partition.record = records[1]
    assert above(partition) == [(1, 2), (3, 4)]
    partition.unread.taken()
    partition.read_past()

    assert above(partition) == [(1, 4)]
    partition.leave(hanging)
    assert (partition.committable, above(partition)) == (4, [])


def test_no_more_is_started_when_too_much_is_unfinished() -> None:
    """Full at its limit, and open again at half of it."""
    partition = partition_with((b"0", b"1", b"2", b"3", b"4"), order="none", gate=FlowGate(most_open=4))
    records = list(partition.unread.slice(4))
    messages = [opened(partition, each) for each in records]

    assert not partition.room
    partition.leave(messages[3])
    assert not partition.room
    partition.leave(messages[0])

    assert partition.room


def test_no_more_is_started_when_reading_has_run_too_far_ahead() -> None:
    """One message that hangs bounds how far the others may go."""
    partition = partition_with((b"0", b"1", b"2", b"3"), order="none", gate=FlowGate(most_span=2))
    records = list(partition.unread.slice(2))
    hanging = opened(partition, records[0])
    opened(partition, records[1])

    assert not partition.room
    partition.leave(hanging)

    assert partition.room


@pytest.mark.parametrize(("order", "readable"), [("partition", False), ("key", True), ("none", True)])
def test_an_open_message_holds_up_what_its_order_says(order: str, readable: bool) -> None:
    """The whole partition, or nothing of other keys."""
    partition = partition_with((b"0", b"1"), order=order)
    record = next(iter(partition.unread.slice(1)))

    message = opened(partition, record)
    assert (partition.room > 0) is readable
    partition.leave(message)

    assert partition.room


def test_a_stop_drops_what_waits_for_its_next_attempt() -> None:
    """No timer outlives the lease."""
    partition = partition_with((b"0",))

    partition.stop()
    partition.end()

    assert partition.drained.is_set()
    assert not partition.room
    assert partition.calm


@pytest.mark.parametrize("ending", [Partition.stop, Partition.end])
def test_the_timer_of_a_message_that_waits_ends_with_its_lease(ending: Callable[[Partition], None]) -> None:
    """It would hold the message for up to a minute, and then ask for a call that nobody may begin."""
    partition = partition_with((b"0",))
    message = opened(partition, next(partition.unread.slice(1)))

    async def scenario() -> bool:
        timer = message.timer = asyncio.get_running_loop().call_later(60.0, partition.due.append, message)
        ending(partition)
        return timer.cancelled()

    assert asyncio.run(scenario())
    assert message.timer is None


def test_tells_itself_without_any_payload() -> None:
    """What is printed may end up in a log."""
    partition = partition_with((b"secret",))

    assert repr(partition) == "<Partition orders/0: 0 handled, 0 unfinished>"
    assert READER.record_type
