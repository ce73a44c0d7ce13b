"""A rate as a counter that time refills."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partita import SettingsError
from partita.core.rates import RateCounter, rate_problem


def taken(counter: RateCounter) -> int:
    """How many can be taken now."""
    count = 0
    while counter.take():
        count += 1
    return count


def test_lets_a_second_s_worth_go_at_once() -> None:
    """A route that was idle may catch up for one second."""
    counter = RateCounter(5.0)

    assert counter.full
    assert taken(counter) == 5
    assert not counter.full


def test_time_puts_back_and_never_above_the_most() -> None:
    """An hour of idleness is no more than a second of it."""
    counter = RateCounter(5.0)
    taken(counter)

    counter.refill(0.4)
    after_a_part = taken(counter)
    counter.refill(3600.0)

    assert (after_a_part, taken(counter)) == (2, 5)


def test_a_rate_below_one_lets_one_go_at_a_time() -> None:
    """Half a message a second is one each two seconds."""
    counter = RateCounter(0.5)

    first, wait = taken(counter), counter.next_in
    counter.refill(wait)

    assert (first, wait, taken(counter)) == (1, 2.0, 1)


def test_tells_when_the_next_may_go() -> None:
    """At once while there is one."""
    counter = RateCounter(4.0)
    before = counter.next_in
    taken(counter)

    assert (before, counter.next_in) == (0.0, 0.25)


def test_what_was_not_used_is_put_back() -> None:
    """But never above the most."""
    counter = RateCounter(2.0)
    counter.take()

    counter.put_back()
    counter.put_back()

    assert taken(counter) == 2


@settings(deadline=None)  # a busy machine is no finding
@given(st.floats(0.1, 5000.0), st.lists(st.floats(0.0, 10.0), max_size=30))
def test_never_lets_more_go_than_the_rate_and_one_second_s_worth(rate: float, pauses: list[float]) -> None:
    """Over any span of time."""
    counter = RateCounter(rate)

    count = taken(counter)
    for pause in pauses:
        counter.refill(pause)
        count += taken(counter)

    assert count <= rate * math.fsum(pauses) + max(rate, 1.0) + 1e-6 * (count + 1)


@pytest.mark.parametrize("rate", [0, -1.0, math.inf, math.nan, True, "10", None])
def test_refuses_what_is_no_rate(rate: object) -> None:
    """The text says what is one."""
    assert rate_problem(rate) == f"rate={rate!r}: give messages per second, a number above 0"
    with pytest.raises(SettingsError, match="messages per second"):
        RateCounter(rate)  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [1, 0.5, 1e6])
def test_takes_whole_numbers_and_fractions(rate: float) -> None:
    """As a user would write them."""
    assert rate_problem(rate) is None
