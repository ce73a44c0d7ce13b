"""Limits with a gap, and what a backlog says about itself."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partita import Backlog, BacklogLimits, PartitionBacklog, SettingsError
from partita.core.backlog import BacklogWatch

BLOCKED, HOT = "no (blocked)", "no (hot key)"
FEW = "no (fewer partitions than workers)"


def backlog(*lags: int, members: int | None = 1, rates: tuple[float, float] | None = None) -> Backlog:
    """A backlog with a partition for each of *lags*, whose rates are the same in each."""
    came, went = rates or (None, None)
    partitions = [
        PartitionBacklog("orders", number, 0, lag, lag, age=float(lag), rate_in=came, rate_out=went)
        for number, lag in enumerate(lags)
    ]
    return Backlog("billing", behind=False, partitions=partitions, members=members)


@pytest.mark.parametrize(
    ("lag", "age", "behind"),
    [
        (0, 0.0, False),
        (100, 0.0, False),
        (101, 0.0, True),
        (1, 10.0, False),
        (1, 10.1, True),
        (0, 99.0, False),
    ],
)
def test_a_group_is_behind_above_one_of_its_limits(lag: int, age: float, behind: bool) -> None:
    """At the limit it is not yet; an age without a message is none."""
    assert BacklogLimits(100, 10.0).exceeded(lag, age) is behind


def test_without_a_limit_nothing_is_too_much() -> None:
    """None means any number, and any time."""
    assert not BacklogLimits(None, None).exceeded(10**9, 10.0**9)
    assert BacklogLimits(None, None).cleared(10**9, 10.0**9)


def test_it_has_caught_up_at_half_of_each_limit() -> None:
    """Between the half and the whole it stays what it was, so that one message more changes nothing."""
    watch = BacklogWatch(BacklogLimits(100, 10.0))

    told = [
        watch.look(lag, age)
        for lag, age in [(100, 1.0), (101, 1.0), (51, 1.0), (50, 5.1), (50, 5.0), (99, 9.0)]
    ]

    assert told == [False, True, False, False, True, False]
    assert not watch.behind


@given(st.lists(st.tuples(st.integers(0, 300), st.floats(0, 30))))
def test_a_watch_tells_each_change_once_and_only_at_its_limits(looks: list[tuple[int, float]]) -> None:
    """It goes behind above a limit, comes back below half of all, and never tells a change that was none."""
    limits = BacklogLimits(100, 10.0)
    watch = BacklogWatch(limits)

    for lag, age in looks:
        before = watch.behind
        changed = watch.look(lag, age)

        assert changed == (watch.behind != before)
        if limits.exceeded(lag, age):
            assert watch.behind
        if lag <= 50 and (not lag or age <= 5.0):
            assert not watch.behind


@pytest.mark.parametrize(
    ("max_lag", "max_age"),
    [
        *((value, None) for value in (-1, 1.5, True, "9")),
        *((None, value) for value in (-0.1, float("inf"), float("nan"), "9", True)),
    ],
)
def test_limits_that_are_none_are_refused(max_lag: object, max_age: object) -> None:
    """With the name of what cannot be used."""
    with pytest.raises(SettingsError, match="max_age" if max_lag is None else "max_lag"):
        BacklogLimits(max_lag, max_age)  # type: ignore[arg-type]


def test_lag_adds_up_and_the_age_is_that_of_the_oldest() -> None:
    """Over all partitions; of none, nothing."""
    assert (backlog(3, 0, 4).lag, backlog(3, 0, 4).age) == (7, 4.0)
    assert (backlog().lag, backlog().age, backlog().scale_helps) == (0, 0.0, "yes")


@pytest.mark.parametrize(
    ("lag", "rates", "expected"),
    [
        (0, None, 0.0),
        (100, None, None),
        (100, (5.0, 5.0), None),
        (100, (6.0, 5.0), None),
        (100, (5.0, 15.0), 10.0),
    ],
)
def test_the_time_to_drain_is_known_when_more_goes_than_comes(
    lag: int, rates: tuple[float, float] | None, expected: float | None
) -> None:
    """None when it never ends at these rates, or when there are none yet."""
    assert backlog(lag, rates=rates).time_to_drain == expected


def test_rates_add_up_over_the_partitions_that_have_some() -> None:
    """A partition that was just found has none yet."""
    first = backlog(1, 2, rates=(1.0, 2.0))
    partly = attrs.evolve(first, partitions=[*first.partitions, *backlog(7).partitions])

    assert (partly.rate_in, partly.rate_out) == (2.0, 4.0)
    assert backlog(1).rate_in is None
    assert backlog().rate_in == 0


def flagged(found: Backlog, number: int, *, blocked: bool = False, hot_key: bool = False) -> Backlog:
    """The same with something known of one partition."""
    partitions = list(found.partitions)
    partitions[number] = attrs.evolve(partitions[number], blocked=blocked, hot_key=hot_key)
    return attrs.evolve(found, partitions=partitions)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (backlog(10, 10), "yes"),
        (backlog(0, 0, members=9), "yes"),
        (backlog(10, 10, members=2), FEW),
        (backlog(10, 10, members=None), "yes"),
        (backlog(500, 10), HOT),
        (backlog(50, 0), "yes"),
        (backlog(500, members=1), FEW),
        (backlog(500, members=0), "yes"),
        (flagged(backlog(10, 30), 1, blocked=True), BLOCKED),
        (flagged(backlog(30, 10), 1, blocked=True), "yes"),
        (flagged(backlog(10, 30), 1, hot_key=True), HOT),
        (flagged(backlog(1, 300, members=9), 1, hot_key=True, blocked=True), BLOCKED),
    ],
)
def test_more_workers_help_unless_a_reason_against_it_is_known(found: Backlog, expected: str) -> None:
    """What is blocked stays so; what is one key or partition goes to one worker; so do too few partitions."""
    assert found.scale_helps == expected


def test_a_backlog_is_judged_and_looked_at_by_topic() -> None:
    """Of some topics only, and against limits of their own."""
    mixed = Backlog("g", False, [*backlog(3).partitions, PartitionBacklog("bills", 0, 0, 9, 5)])

    assert mixed.judged(BacklogLimits(7, None)).behind
    assert not mixed.only(lambda topic: topic == "bills").judged(BacklogLimits(7, None)).behind
    assert mixed.only(lambda topic: topic == "bills").lag == 5
