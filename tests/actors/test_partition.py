"""What stands in a partition between two turns of its pump."""

import re

from tests.actors.scripted import AT, ScriptedBroker, Worker, routes_to

from partita.actors.partition import Partition
from partita.core.flow import FlowGate
from partita.core.leases import Lease


def partition_with(*fetches: tuple[bytes, ...]) -> Partition:
    """A partition to which *fetches* have arrived."""
    broker = ScriptedBroker()
    partition = Partition(Lease(AT), routes_to(Worker()), FlowGate(10))
    for values in fetches:
        partition.feed(broker.fetch(AT, *values))
    return partition


def test_nothing_is_committable_before_something_was_read() -> None:
    """An assignment alone commits nothing."""
    partition = partition_with((b"1",))

    assert partition.committable is None
    assert not partition.quiet


def test_commits_up_to_the_message_in_hand() -> None:
    """Unfinished is what is in hand."""
    partition = partition_with((b"1", b"2"))

    assert partition.advance()
    assert partition.committable == 0
    partition.finish()
    assert partition.advance()

    assert partition.committable == 1


def test_commits_the_last_finished_message_in_the_middle_of_a_fetch() -> None:
    """A stop between two messages of one fetch must not repeat those that are handled."""
    partition = partition_with((b"1", b"2", b"3"))
    for _ in range(2):
        partition.advance()
        partition.finish()

    assert partition.committable == 2
    assert partition.handled == 2


def test_gaps_at_the_end_of_a_fetch_are_read_past() -> None:
    """Transaction markers and compacted records have offsets that nobody sees."""
    broker = ScriptedBroker()
    partition = partition_with()
    fetch = broker.fetch(AT, b"1")
    fetch.end_offset = 9
    partition.feed(fetch)
    partition.advance()
    partition.finish()

    assert not partition.advance()

    assert partition.committable == 9
    assert partition.quiet


def test_a_fetch_is_let_go_when_it_is_handled() -> None:
    """The gate counts whole fetches."""
    partition = partition_with((b"12345",), (b"67890",))
    assert partition.gate.closed

    for _ in range(2):
        partition.advance()
        partition.finish()

    assert partition.gate.held == 5
    assert not partition.gate.closed


def test_tells_itself_without_any_payload() -> None:
    """What is printed may end up in a log."""
    partition = partition_with((b"secret",))

    assert re.fullmatch(r"<Partition orders/0 flowing: 0 handled>", repr(partition))
