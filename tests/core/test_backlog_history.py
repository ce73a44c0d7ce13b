"""Ages that no clock can spoil, rates, and what does not move."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partita import Backlog, PartitionBacklog
from partita.core.backlog_history import MOST_LOOKS, Arrivals, GroupHistory, age_of
from partita.core.extents import Extent, GroupExtents, Held
from partita.core.ports import TopicPartition

AT = TopicPartition("orders", 0)
OTHER = TopicPartition("orders", 1)
NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000


def extent(
    first: int, end: int, oldest: int | None = None, begin: int = 0, read: bool | None = True
) -> Extent:
    """A partition in which offsets are messages."""
    return Extent(first, first, end, end - first, end, oldest, begin, read)


class Looks:
    """Looks at a group with one partition, by the second."""

    def __init__(self) -> None:
        self.history = GroupHistory("billing")

    def at(
        self, now: float, found: Extent, wall_ms: int = NOW_MS, held: Held | None = None
    ) -> PartitionBacklog:
        """Look."""
        known = {} if held is None else {AT: held}
        backlog = self.history.look(now, wall_ms, GroupExtents({AT: found}), known)
        return backlog.partitions[0]


def test_a_first_look_takes_the_age_from_the_timestamp() -> None:
    """There is nothing else to go by."""
    assert Looks().at(0.0, extent(5, 9, NOW_MS - 7_000)).age == 7.0


@pytest.mark.parametrize("oldest", [0, -1, 1, 1_700_000_000, NOW_MS + HOUR_MS, 2**53, None])
def test_a_timestamp_that_is_none_or_lies_ahead_makes_no_age(oldest: int | None) -> None:
    """Zero, negative, seconds as milliseconds, the future: its age grows from when it was first seen."""
    looks = Looks()

    ages = [looks.at(float(now), extent(5, 9, oldest)).age for now in (0, 20, 40)]

    assert ages == [0.0, 20.0, 40.0]


def test_what_arrived_after_a_look_is_no_older_than_that_look() -> None:
    """However old its timestamp says it is: a copy of last year's messages has waited since it came."""
    looks = Looks()
    looks.at(0.0, extent(5, 5))

    assert looks.at(10.0, extent(5, 9, NOW_MS - 365 * 24 * HOUR_MS)).age == 10.0


@pytest.mark.parametrize("jump", [-HOUR_MS, HOUR_MS])
def test_a_wall_clock_that_jumps_moves_an_age_by_no_more_than_the_looks_leave_open(jump: int) -> None:
    """Two looks at a message bound its age from both sides, whatever the clock says."""
    looks = Looks()
    looks.at(0.0, extent(5, 5))
    looks.at(10.0, extent(5, 9, NOW_MS))

    age = looks.at(15.0, extent(5, 9, NOW_MS), wall_ms=NOW_MS + 5_000 + jump).age

    assert 5.0 <= age <= 15.0


def test_a_message_that_was_handled_takes_its_age_with_it() -> None:
    """The next one has an age of its own."""
    looks = Looks()
    looks.at(0.0, extent(0, 10, NOW_MS))
    looks.at(100.0, extent(0, 20, NOW_MS))

    assert looks.at(130.0, extent(15, 20, NOW_MS + 110_000), wall_ms=NOW_MS + 130_000).age == 30.0
    assert looks.at(131.0, extent(20, 20)).age == 0.0


@given(
    st.lists(st.tuples(st.floats(0.1, 50), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=200),
    st.integers(-(2**40), 2**60),
)
def test_an_age_lies_between_what_the_looks_have_seen(
    steps: list[tuple[float, int, int]], oldest: int
) -> None:
    """Never negative, not above the time since a look without it, not below the time since one with it."""
    history, now, end, first = Arrivals(), 0.0, 0, 0
    arrived: dict[int, tuple[float, float]] = {}
    looked = -math.inf
    for seconds, came, went in steps:
        now += seconds
        for offset in range(end, end + came):
            arrived[offset] = (looked, now)
        end, first = end + came, min(first + went, end + came)
        history.note(now, end, first)
        looked = now
        if first < end:
            least, most = history.waited(now, first)
            before, seen = arrived[first]
            age = age_of(oldest, NOW_MS, least, most)

            assert 0 <= least <= now - seen + 1e-6
            assert most >= min(now - before, now - seen) - 1e-6
            assert least <= age <= most
    assert len(history._seen) <= MOST_LOOKS + 1


def test_many_looks_at_a_stuck_partition_are_kept_in_few() -> None:
    """What is left out makes the bounds of an age wider, and not wrong."""
    arrivals = Arrivals()
    for now in range(1_000):
        arrivals.note(float(now), now + 1, 0)

    least, most = arrivals.waited(1_000.0, 600)

    assert len(arrivals._seen) <= MOST_LOOKS
    assert 0.0 < least <= 400.0 <= most
    assert arrivals.waited(1_000.0, 0) == (1_000.0, math.inf)


def test_a_topic_that_was_made_anew_has_no_history() -> None:
    """Its offsets begin again, and nothing of the old ones says anything about the new."""
    looks = Looks()
    looks.at(0.0, extent(50, 90))

    again = looks.at(60.0, extent(0, 3, NOW_MS - 1_000))

    assert (again.age, again.state, again.rate_in) == (1.0, "waiting", None)


def test_rates_are_those_of_the_last_minute() -> None:
    """What came and what went, by the second; none at the first look, and looks in a hurry add none."""
    looks = Looks()
    first = looks.at(0.0, extent(0, 100))
    second = looks.at(10.0, extent(50, 200))
    hurried = [looks.at(now, extent(50, 205)) for now in (10.5, 11.0, 11.5)]
    *_, last = [looks.at(float(now), extent(50, 205)) for now in range(20, 140, 5)]

    assert (first.rate_in, first.rate_out) == (None, None)
    assert (second.rate_in, second.rate_out) == (10.0, 5.0)
    assert [each.rate_out for each in hurried] == [pytest.approx(50 / now) for now in (10.5, 11.0, 11.5)]
    assert (last.rate_in, last.rate_out) == (0.0, 0.0)


def test_what_expired_was_not_handled() -> None:
    """Messages that the broker has deleted unread leave the lag and are no rate."""
    looks = Looks()
    looks.at(0.0, extent(0, 100))

    expired = looks.at(10.0, extent(80, 100, begin=80))

    assert (expired.lag, expired.rate_out) == (20, 0.0)


def test_what_nobody_handles_for_ten_seconds_is_blocked() -> None:
    """Until something moves, or nothing is left; what nobody reads waits for a worker and is not blocked."""
    looks, alone = Looks(), Looks()
    states = [
        looks.at(now, found)
        for now, found in [
            (0.0, extent(0, 5)),
            (5.0, extent(0, 6)),
            (11.0, extent(0, 7)),
            (12.0, extent(1, 7)),
            (13.0, extent(7, 7)),
            (99.0, extent(7, 9)),
        ]
    ]
    unread = [alone.at(now, extent(0, 5, read=False)) for now in (0.0, 50.0)]

    assert [each.state for each in states] == [
        "waiting",
        "flowing",
        "not moving",
        "flowing",
        "caught up",
        "flowing",
    ]
    assert [each.blocked for each in states] == [False, False, True, False, False, False]
    assert [(each.state, each.blocked) for each in unread] == [("nobody reads it", False)] * 2


def test_what_this_process_knows_of_a_partition_is_told() -> None:
    """Its own state and its reasons come first."""
    held = Held(3, state="retry until 9.0", blocked=True, hot_key=True)

    told = Looks().at(0.0, extent(3, 9), held=held)
    done = Looks().at(0.0, extent(9, 9), held=held)

    assert (told.state, told.blocked, told.hot_key) == ("retry until 9.0", True, True)
    assert not done.blocked
    assert Looks().at(0.0, extent(3, 9), held=Held(3)).state == "waiting"
    assert Looks().at(0.0, extent(3, 9), held=Held(3, state="caught up")).state == "waiting"


def test_a_partition_that_is_gone_is_forgotten() -> None:
    """And one that comes is taken up."""
    history = GroupHistory("billing")

    def look(now: float, *partitions: TopicPartition) -> Backlog:
        found = {at: extent(0, 5) for at in partitions}
        return history.look(now, NOW_MS, GroupExtents(found, 2), {})

    look(0.0, AT, OTHER)
    look(20.0, AT)
    last = look(21.0, OTHER, AT)

    assert [each.partition for each in last.partitions] == [0, 1]
    assert [each.blocked for each in last.partitions] == [True, False]
    assert last.members == 2
