"""Runs of finished offsets: what is in them, how they are joined, and what they leave out of a fetch."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partita.core.finished import Finished

OFFSETS = st.sets(st.integers(0, 60))


def contents(finished: Finished) -> set[int]:
    """The offsets, one by one."""
    return {offset for offset in range(70) if offset in finished}


@given(OFFSETS, OFFSETS, st.integers(0, 60))
def test_runs_hold_what_the_same_sets_would(one: set[int], other: set[int], base: int) -> None:
    """Union, the part above an offset, and the end, whatever the offsets are."""
    first, second = Finished.of(one), Finished.of(other)

    assert contents(first | second) == one | other
    assert contents(first.above(base)) == {each for each in one if each > base}
    assert first.end == max(one, default=-1) + 1
    assert bool(first) == bool(one)
    assert all(start < stop for start, stop in first.runs())


@given(OFFSETS, st.integers(0, 30), st.integers(30, 60))
def test_all_but_is_the_range_without_the_unfinished(unfinished: set[int], first: int, end: int) -> None:
    """Offsets without a message count as finished, so that gaps cost nothing."""
    assert contents(Finished.all_but(first, end, unfinished)) == set(range(first, end)) - unfinished


def test_what_lies_apart_is_not_joined_and_what_touches_is() -> None:
    """Each run is as long as it can be, so that the text of it is as short as it can be."""
    assert list(Finished.of([7, 3, 4, 9, 4]).runs()) == [(3, 5), (7, 8), (9, 10)]
    assert list(Finished.all_but(2, 8, [5]).runs()) == [(2, 5), (6, 8)]


@given(OFFSETS, st.sets(st.integers(0, 70)))
def test_skip_leaves_out_exactly_the_finished_records(finished: set[int], records: set[int]) -> None:
    """In order, with gaps in the records, and beyond the last finished offset."""
    left = Finished.of(finished).skip(sorted(records), lambda record: record)

    assert list(left) == sorted(records - finished)


def test_skip_reads_one_record_at_a_time_and_none_of_its_own_beyond_the_end() -> None:
    """A lazy fetch stays lazy, and once the map ends its records cost nothing more."""
    looked_at: list[int] = []

    def offset_of(record: int) -> int:
        looked_at.append(record)
        return record

    left = Finished.of([1, 2]).skip(iter(range(100)), offset_of)

    assert next(left) == 0
    assert looked_at == [0]
    assert list(left) == list(range(3, 100))
    assert looked_at == [0, 1, 2]


def test_an_error_of_the_records_reaches_whoever_reads_them() -> None:
    """A broken fetch is not a short one."""

    def broken() -> Iterator[int]:
        yield 0
        raise RuntimeError("corrupt")

    left = Finished.of([5]).skip(broken(), lambda record: record)

    assert next(left) == 0
    with pytest.raises(RuntimeError, match="corrupt"):
        next(left)
