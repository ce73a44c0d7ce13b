"""Which partition a message goes to."""

from collections.abc import Sequence

import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as theirs
from hypothesis import given
from hypothesis import strategies as st

from partita.backends.kafka import partitioning
from partita.backends.kafka.partitioning import Slots, murmur2, own_partitioner
from partita.core.errors import SettingsError


def slots(partitions: int, partitioner: partitioning.Partitioner | None = None) -> Slots:
    """A topic with so many partitions."""
    made = Slots("t", 1_000_000, 1_000_000, partitioner)
    made.grow(partitions)
    return made


@given(st.binary(max_size=300), st.integers(min_value=1, max_value=200))
def test_a_key_goes_where_the_clients_own_partitioner_puts_it(key: bytes, partitions: int) -> None:
    """Other programs that write the topic with the same keys meet the same partitions."""
    numbers = list(range(partitions))

    chosen = slots(partitions).choose(None, key).number

    assert murmur2(key) == theirs(key)  # type: ignore[no-untyped-call]
    assert chosen == DefaultPartitioner()(key, numbers, numbers)


def test_a_key_that_was_forgotten_goes_where_it_went() -> None:
    """Only so many keys are remembered; the rest is worked out again."""
    topic, keys = slots(13), [b"%d" % number for number in range(2 * partitioning.REMEMBERED + 10)]

    first = [topic.choose(None, key).number for key in keys]
    second = [topic.choose(None, key).number for key in keys]

    assert first == second
    assert topic.remembered <= 2 * partitioning.REMEMBERED


def test_a_grown_topic_places_keys_anew() -> None:
    """A remembered choice does not outlive the number of partitions that it was made for."""
    topic = slots(2)
    keys = [b"%d" % number for number in range(50)]
    before = {topic.choose(None, key).number for key in keys}

    topic.grow(9)

    assert before == {0, 1}
    assert max(topic.choose(None, key).number for key in keys) > 1


def test_keyless_messages_share_a_partition_until_its_batch_is_cut() -> None:
    """One batch of a hundred beats four of twenty-five."""
    topic = slots(3)

    first = topic.choose(None, None)
    same = topic.choose(None, None)
    topic.move_on(first)

    assert same is first
    assert topic.choose(None, None) is not first


@pytest.mark.parametrize("partition", [-1, 3, True, "1"])
def test_a_partition_that_does_not_exist_is_refused(partition: int) -> None:
    """The error says which there are."""
    with pytest.raises(SettingsError, match="0 to 2"):
        slots(3).choose(partition, None)


def test_a_partitioner_of_the_callers_own_is_asked_as_the_client_would() -> None:
    """With the key, all partitions and those that have a leader; also for a message without a key."""
    asked: list[tuple[bytes | None, Sequence[int], Sequence[int]]] = []

    def partitioner(key: bytes | None, all_partitions: Sequence[int], available: Sequence[int]) -> int:
        asked.append((key, all_partitions, available))
        return all_partitions[-1]

    topic = slots(3, partitioner)
    topic.available = lambda: [0, 2]

    chosen = [topic.choose(None, b"k").number, topic.choose(None, None).number, topic.choose(1, b"k").number]

    assert chosen == [2, 2, 1]
    assert asked == [(b"k", [0, 1, 2], [0, 2]), (None, [0, 1, 2], [0, 2])]
    assert topic.plain == 0


def test_a_partitioner_that_names_no_partition_of_the_topic_is_refused() -> None:
    """The message is not put anywhere."""
    with pytest.raises(SettingsError, match="0 to 2, not 7"):
        slots(3, lambda key, all_partitions, available: 7).choose(None, b"k")


def test_the_clients_default_partitioner_is_no_partitioner_of_ones_own() -> None:
    """Its answers are worked out faster here, and keyless messages stay together."""

    def own(key: bytes | None, all_partitions: Sequence[int], available: Sequence[int]) -> int:
        return 0

    found = [own_partitioner(option) for option in (None, DefaultPartitioner(), own)]

    assert found == [None, None, own]
