"""Batches: what may be asked for, and what becomes of each message of one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partita.core.batches import BatchLimits, judge, no_batch_options


@pytest.mark.parametrize("size", [0, -1, True, 2.5, math.inf])
def test_refuses_a_size_that_is_no_number_of_messages(size: object) -> None:
    """The error says what can be used."""
    limits = BatchLimits(size, 1.0)  # type: ignore[arg-type] # as a user may write it

    assert "whole number of messages" in str(limits.problem())


@pytest.mark.parametrize("within", [-0.1, math.inf, math.nan, "1", True])
def test_refuses_a_time_that_never_comes(within: object) -> None:
    """A batch that waits for ever is a partition that stands still."""
    limits = BatchLimits(1, within)  # type: ignore[arg-type] # as a user may write it

    assert "number of seconds" in str(limits.problem())


def test_takes_whole_sizes_and_times_from_zero_on() -> None:
    """No wait at all is a choice: what has arrived together is a batch."""
    assert BatchLimits(1, 0).problem() is None


@given(st.integers(1, 40), st.sets(st.integers(0, 39)), st.booleans())
def test_each_message_of_a_batch_has_one_fate(count: int, bad: set[int], raised: bool) -> None:
    """Nothing is lost and nothing is counted twice, whatever the handler says."""
    error = ValueError("no")
    named = {index: error for index in bad if index < count}

    verdict = judge(count, named, error if raised else None)

    fates = [*verdict.done, *verdict.failed, *(each for piece in verdict.again for each in piece)]
    assert sorted(fates) == list(range(count))
    assert {*named} <= {*verdict.failed}
    assert not (raised and verdict.done)
    assert all(verdict.again)


@given(st.integers(2, 500), st.data())
def test_one_bad_message_is_found_by_halving(count: int, data: st.DataObject) -> None:
    """All others are done, after at most two calls for each halving."""
    bad = data.draw(st.integers(0, count - 1))
    error, calls, done = ValueError("no"), 0, list[int]()
    pieces = [list(range(count))]

    while pieces:
        piece, calls = pieces.pop(0), calls + 1
        verdict = judge(len(piece), {}, error if bad in piece else None)
        done += [piece[each] for each in verdict.done]
        assert [piece[each] for each in verdict.failed] in ([], [bad])
        pieces += [[piece[each] for each in half] for half in verdict.again]

    assert sorted([*done, bad]) == list(range(count))
    assert calls <= 2 * math.ceil(math.log2(count)) + 1


@pytest.mark.parametrize("failure", [None, TimeoutError()])
def test_what_is_named_after_the_verdict_does_not_change_it(failure: BaseException | None) -> None:
    """A thread that was given up after a timeout still has the batch: a message would have two fates."""
    error = ValueError("no")
    named = dict[int, BaseException]({1: error})

    verdict = judge(4, named, failure)
    named[2] = ValueError("late")

    assert verdict.failed == {1: error}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, None),
        ({"concurrency": 4, "run": "thread", "kind": None}, None),
        ({"rate": 5}, "rate= is for handlers of single messages; leave it out"),
        ({"run": "process"}, "run='process' is for handlers of single messages"),
    ],
)
def test_options_that_a_batch_has_no_use_for_are_refused(
    options: dict[str, object], told: str | None
) -> None:
    """What is given and would do nothing is told."""
    assert no_batch_options(options) == told
