"""When an event loop counts as blocked."""

import pytest

from partita import SettingsError
from partita.core.lag import Blocked, LagWatch, Recovered


def asked(now: float = 0.0) -> LagWatch:
    """A watch that has asked at *now*; one second is in order."""
    watch = LagWatch(1.0, 0.25)
    watch.ask(now)
    return watch


def test_nothing_is_told_before_anything_was_asked() -> None:
    """There is nothing to judge by."""
    assert LagWatch(1.0, 0.25).look(100.0, None) is None


def test_an_answer_in_time_is_not_told() -> None:
    """And the next question may be asked."""
    watch = asked()

    assert watch.look(0.5, None) is None
    assert watch.look(1.0, None) is None
    assert watch.look(1.1, answered=0.9) is None
    assert watch.asked is None


def test_blocked_comes_until_it_is_told_and_then_no_more() -> None:
    """A look at the stack may find nothing to name yet."""
    watch = asked()

    first, second = watch.look(1.25, None), watch.look(1.5, None)
    watch.tell()

    assert (first, second) == (Blocked(1.25), Blocked(1.5))
    assert watch.look(9.0, None) is None


def test_its_end_is_told_with_the_whole_time() -> None:
    """From the question to the answer, whenever that is looked at."""
    watch = asked(10.0)
    watch.look(11.5, None)
    watch.tell()

    assert watch.look(15.0, answered=14.5) == Recovered(4.5)
    watch.ask(15.0)
    assert watch.look(15.1, answered=15.05) is None


def test_a_late_answer_that_nobody_told_is_not_told_as_recovered() -> None:
    """An end without a beginning would puzzle its reader."""
    assert asked().look(5.0, answered=4.0) is None


@pytest.mark.parametrize(
    ("threshold", "interval"), [(0.0, 1.0), (1.0, 0.0), (float("nan"), 1.0), (1.0, -1.0)]
)
def test_refuses_times_that_are_none(threshold: float, interval: float) -> None:
    """The error names which."""
    with pytest.raises(SettingsError, match=r"a watchdog's (threshold|interval)"):
        LagWatch(threshold, interval)
