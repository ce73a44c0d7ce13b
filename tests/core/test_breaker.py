"""When a circuit breaker lets a call go, and when it opens and closes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from partita import SettingsError
from partita.core.breaker import Breaker, BreakerPolicy, BreakerState, Go, Wait


def breaker(
    *, failures: int | None = 2, ratio: float | None = None, window: int = 100, open_for: float = 10.0
) -> Breaker:
    """A closed breaker."""
    return Breaker(BreakerPolicy(failures, ratio, window, open_for))


def opened(now: float = 0.0) -> Breaker:
    """A breaker that two failures at *now* have opened for 10 s."""
    made = breaker()
    for _ in range(2):
        fail(made, now)
    return made


def admitted(each: Breaker, now: float = 0.0) -> Go:
    """What a call that goes is given."""
    answer = each.free or each.admit(now)
    assert isinstance(answer, Go)
    return answer


def fail(each: Breaker, now: float = 0.0) -> bool:
    """One call that fails."""
    return each.failed(admitted(each, now), now)


def test_lets_every_call_go_while_it_is_closed() -> None:
    """Without asking for the time."""
    each = breaker()

    assert each.state is BreakerState.CLOSED
    assert each.free is not None
    assert each.admit(0.0) is each.free


def test_opens_after_failures_in_a_row_and_not_before() -> None:
    """A success in between begins the row anew."""
    each = breaker()

    told = [fail(each), each.succeeded(admitted(each)), fail(each), fail(each)]

    assert told == [False, False, False, True]
    assert each.state is BreakerState.OPEN
    assert each.free is None


def test_opens_at_a_share_of_the_last_calls_once_there_are_enough() -> None:
    """Two of four are half."""
    each = breaker(failures=None, ratio=0.5, window=4)

    told = [fail(each), fail(each), each.succeeded(admitted(each)), fail(each)]

    assert told == [False, False, False, True]


def test_calls_that_left_the_window_count_no_more() -> None:
    """One in four never opens a breaker at half."""
    each = breaker(failures=None, ratio=0.5, window=4)

    told = [fail(each)] + [each.succeeded(admitted(each)) for _ in range(3)] + [fail(each)]

    assert told == [False] * 5


def test_lets_one_call_go_when_the_open_time_is_over() -> None:
    """The others wait for its end."""
    each = opened()

    assert each.admit(0.0) == Wait(10.0)
    assert each.admit(9.0) == Wait(1.0)
    assert isinstance(each.admit(10.0), Go)
    assert each.state is BreakerState.HALF_OPEN
    assert each.admit(99.0) == Wait(None)


def test_closes_when_the_canary_succeeds() -> None:
    """And forgets the failures before."""
    each = opened()

    assert each.succeeded(admitted(each, 10.0))

    assert each.state is BreakerState.CLOSED
    assert not fail(each)


def test_opens_again_when_the_canary_fails() -> None:
    """For the same time."""
    each = opened()

    assert fail(each, 10.0)

    assert each.admit(10.0) == Wait(10.0)


def test_a_canary_that_tells_nothing_makes_way_for_the_next() -> None:
    """It may have been cancelled."""
    each = opened()

    assert each.left(admitted(each, 10.0))

    assert isinstance(each.admit(10.0), Go)
    assert each.admit(10.0) == Wait(None)


def test_a_call_that_ends_without_a_verdict_changes_nothing_while_closed() -> None:
    """Nobody waits for it."""
    each = breaker()

    assert not each.left(admitted(each))
    assert not each.left(Go(99))


def test_ends_of_calls_from_before_the_opening_count_for_nothing() -> None:
    """They say how the dependency was, and the canary says how it is."""
    each = breaker()
    old = admitted(each)
    fail(each)
    fail(each)
    canary = admitted(each, 10.0)

    told = [each.failed(old, 10.0), each.succeeded(old), each.left(old)]

    assert told == [False, False, False]
    assert each.state is BreakerState.HALF_OPEN
    assert each.succeeded(canary)


def test_on_another_clock_the_whole_open_time_is_waited() -> None:
    """A breaker outlives the loop whose clock it was opened on."""
    each = opened(now=5000.0)

    assert each.admit(0.0) == Wait(10.0)
    assert each.admit(4.0) == Wait(6.0)
    assert isinstance(each.admit(10.0), Go)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"failures": None}, "nothing opens"),
        ({"failures": 0}, "failures=0"),
        ({"failures": True}, "failures=True"),
        ({"window": 0}, "window=0"),
        ({"window": None}, "window=None"),
        ({"ratio": 0.0}, "ratio=0"),
        ({"ratio": 1.5}, r"ratio=1\.5"),
        ({"open_for": 0.0}, "open_for=0"),
        ({"open_for": float("inf")}, "open_for=inf"),
        ({"open_for": float("nan")}, "open_for=nan"),
    ],
)
def test_refuses_what_cannot_be_used(options: dict[str, float | None], told: str) -> None:
    """The error names the option."""
    with pytest.raises(SettingsError, match=told):
        BreakerPolicy(**options)  # type: ignore[arg-type]


class AnyHistory(RuleBasedStateMachine):
    """Calls that begin, end and are cancelled in any order, on a clock that goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.each = breaker(failures=2, ratio=0.5, window=4)
        self.going: list[tuple[Go, BreakerState]] = []

    @rule(seconds=st.sampled_from([0.0, 1.0, 10.0]))
    def begin(self, seconds: float) -> None:
        """A call asks."""
        self.now += seconds
        answer = self.each.free or self.each.admit(self.now)
        if isinstance(answer, Go):
            self.going.append((answer, self.each.state))

    @rule(end=st.sampled_from(["succeeded", "failed", "left"]), which=st.integers(0, 20))
    def end(self, end: str, which: int) -> None:
        """A call that goes ends."""
        if not self.going:
            return
        go, _ = self.going.pop(which % len(self.going))
        if end == "failed":
            self.each.failed(go, self.now)
        else:
            getattr(self.each, end)(go)

    @invariant()
    def at_most_one_canary_goes(self) -> None:
        """Whatever else is still under way."""
        if self.each.state is BreakerState.HALF_OPEN:
            current = [go for go, state in self.going if go is self.each._go]
            assert len(current) <= 1

    @invariant()
    def whoever_waits_has_something_to_wait_for(self) -> None:
        """A time, or a canary that is under way."""
        if self.each.state is BreakerState.HALF_OPEN and self.each.admit(self.now) == Wait(None):
            assert [go for go, _ in self.going if go is self.each._go]
        elif self.each.state is BreakerState.HALF_OPEN:
            self.each.left(self.each._go)


TestAnyHistory = AnyHistory.TestCase


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 6))
def test_is_open_exactly_when_a_row_was_long_enough(ends: list[bool], row: int) -> None:
    """Told by a plain count of the same ends."""
    each, longest, current = breaker(failures=row), 0, 0

    for good in ends:
        if each.free is None:
            break
        current = 0 if good else current + 1
        longest = max(longest, current)
        if good:
            each.succeeded(each.free)
        else:
            each.failed(each.free, 0.0)

    assert (each.state is BreakerState.OPEN) == (longest >= row)
    assert each.state.value in repr(each)
