"""What is kept for partitions that closed while they were asked for."""

from types import SimpleNamespace

from partita.backends.kafka.held import Held
from partita.backends.kafka.reading import size_of
from partita.backends.kafka.rebalance import Ownership
from partita.core.ports import Fetch, TopicPartition

A, B = TopicPartition("t", 0), TopicPartition("t", 1)


def fetch(partition: TopicPartition, messages: int = 1) -> Fetch:
    """Some messages."""
    return Fetch(partition, list(range(messages)), messages, messages, 0)


def test_what_is_closed_stays_in_order_until_it_opens() -> None:
    """Nothing that came later overtakes it or takes its place."""
    owned = Ownership()
    owned.take(frozenset({A, B}), 1)
    held = Held(owned)
    first, second, other = fetch(A), fetch(A, 2), fetch(B)

    held.add(owned.epoch, [first, other])
    while_closed = held.take({A})
    held.add(owned.epoch, [second])
    counted = held.messages()

    assert while_closed == [other]
    assert counted == {A: 3}
    assert held.take(()) == [first, second]
    assert held.take(()) == []


def test_what_belongs_to_an_assignment_that_is_over_is_dropped() -> None:
    """Whoever owns the partition now reads it again from the committed offset."""
    owned = Ownership()
    owned.take(frozenset({A}), 1)
    held, before = Held(owned), owned.epoch
    held.add(before, [fetch(A)])

    owned.unsettle()
    counted = held.messages()
    held.add(before, [fetch(A)])

    assert counted == {}
    assert held.take(()) == []


def test_a_null_counts_no_bytes() -> None:
    """The client says -1 for it."""
    record = SimpleNamespace(serialized_key_size=-1, serialized_value_size=5)

    assert size_of([record, record]) == 10
