"""The partition of a key is the one that Kafka's clients choose."""

import pytest
from aiokafka.partitioner import murmur2 as kafkas
from hypothesis import given
from hypothesis import strategies as st

from partita.backends.nats.partitioning import choose, murmur2
from partita.core.errors import SettingsError
from partita.core.ports import Outgoing


@given(st.binary(max_size=64))
def test_the_hash_is_kafkas(key: bytes) -> None:
    """A topic that moves between the brokers keeps its partitions."""
    assert murmur2(key) == kafkas(key) & 0xFFFFFFFF  # type: ignore[no-untyped-call]


@given(st.binary(max_size=64), st.integers(1, 64), st.integers(0, 9))
def test_a_keys_partition_depends_on_the_key_alone(key: bytes, partitions: int, turn: int) -> None:
    """Whatever was sent before."""
    chosen = choose("t", Outgoing(b"", key=key), partitions, turn)

    assert chosen == choose("t", Outgoing(None, key=key), partitions, 0)
    assert 0 <= chosen < partitions


def test_messages_without_a_key_go_to_the_partitions_in_turn() -> None:
    """None is left out."""
    assert [choose("t", Outgoing(b""), 3, turn) for turn in range(4)] == [0, 1, 2, 0]


@pytest.mark.parametrize("partition", [-1, 3])
def test_a_partition_that_is_not_there_is_refused(partition: int) -> None:
    """The error says which there are."""
    with pytest.raises(SettingsError, match="0 to 2"):
        choose("t", Outgoing(b"", partition=partition), 3, 0)
