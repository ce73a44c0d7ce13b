"""What a host does with its processes, decided without any."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partita_worker.exits import ExitCode
from partita_worker.host.fleet import Finish, Fleet, Order, Start, State, Stop, Tell


def doing(orders: list[Order] | tuple[Order, ...] | object) -> list[Order]:
    """What is to be done, without what is only said."""
    assert isinstance(orders, list | tuple)
    return [each for each in orders if not isinstance(each, Tell)]


def running(count: int, *, burst: bool = False) -> Fleet:
    """A fleet whose processes are all ready."""
    fleet = Fleet(count, burst=burst)
    fleet.begin()
    fleet.started(0)
    fleet.greeted(0)
    for number in range(count):
        fleet.started(number)
        fleet.ready(number)
    return fleet


def test_the_others_follow_when_the_first_has_opened_its_bus() -> None:
    """It finds out for all whether there is a broker, and makes what is missing before anybody looks."""
    fleet = Fleet(3)

    assert fleet.begin() == [Start(0)]
    fleet.started(0)
    assert fleet.greeted(0) == [Start(1), Start(2)]
    assert fleet.greeted(0) == []


def test_all_stop_at_once_and_the_host_ends_with_the_last() -> None:
    """None waits for another; a second request changes nothing."""
    fleet = running(2)

    assert fleet.stop() == [Stop(0), Stop(1)]
    assert fleet.stop() == []
    assert fleet.ended(1, 0, 1.0) == []
    assert fleet.ended(0, 0, 1.0) == [Finish(0)]


def test_a_host_that_is_stopped_before_all_are_there_starts_no_more() -> None:
    """Those that wait for their turn are done before they began."""
    fleet = Fleet(2)
    fleet.begin()

    assert fleet.stop() == [Finish(0)]
    assert [slot.state for slot in fleet.slots] == [State.DONE, State.DONE]
    assert fleet.greeted(0) == []


def test_a_drain_deadline_of_one_is_the_hosts_exit_code() -> None:
    """What was left in hand by any of them is told by the code."""
    fleet = running(2)
    fleet.stop()

    fleet.ended(0, ExitCode.DRAIN_DEADLINE, 1.0)

    assert fleet.ended(1, 0, 1.0) == [Finish(ExitCode.DRAIN_DEADLINE)]


def test_one_killed_by_a_signal_while_all_stop_is_told_as_shells_do() -> None:
    """128 and the signal's number."""
    fleet = running(1)
    fleet.stop()

    assert fleet.ended(0, -9, 1.0) == [Finish(137)]


def test_one_that_ends_by_itself_is_started_again_later_and_later() -> None:
    """Half a second, then twice as long each time; the sixth time within a minute is one too many."""
    fleet = running(2)
    waits = []

    for time in range(5):
        (order,) = doing(fleet.ended(0, 1, float(time)))
        assert isinstance(order, Start)
        waits.append(order.wait)
        fleet.started(0)

    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert fleet.slots[0].restarts == 5
    assert doing(fleet.ended(0, -11, 6.0)) == [Stop(1)]
    assert fleet.ended(1, 0, 7.0) == [Finish(ExitCode.SUPERVISOR_GAVE_UP)]


def test_failures_are_forgotten_after_a_minute_and_counted_for_each_place() -> None:
    """One that fails now and then is no reason to give up, and neither are two that fail in turn."""
    fleet = running(2)

    for time in range(40):
        (order,) = doing(fleet.ended(time % 2, 1, 20.0 * time))
        assert isinstance(order, Start)
        fleet.started(time % 2)


@pytest.mark.parametrize("code", [ExitCode.USAGE, ExitCode.SETTINGS])
def test_what_cannot_be_mended_by_another_start_ends_the_host(code: ExitCode) -> None:
    """A handler's module that cannot be imported raises each time that it is."""
    fleet = running(2)

    assert doing(fleet.ended(0, code, 1.0)) == [Stop(1)]
    assert fleet.ended(1, 0, 1.0) == [Finish(code)]


def test_no_broker_at_the_start_ends_the_host_and_later_only_the_process() -> None:
    """A broker that was there comes back."""
    fresh, later = Fleet(2), running(2)
    fresh.begin()
    fresh.started(0)

    assert fresh.ended(0, ExitCode.UNREACHABLE, 1.0) == [Finish(ExitCode.UNREACHABLE)]
    assert doing(later.ended(0, ExitCode.UNREACHABLE, 1.0)) == [Start(0, 0.5)]


def test_a_handler_that_asks_for_the_end_gets_it_for_all() -> None:
    """As it does in a worker of one process."""
    fleet = running(2)

    assert doing(fleet.ended(1, 0, 1.0)) == [Stop(0)]
    assert fleet.ended(0, 0, 1.0) == [Finish(0)]


def test_a_burst_is_over_when_each_has_ended_by_itself() -> None:
    """With the worst of their codes."""
    fleet = running(3, burst=True)

    assert fleet.ended(0, 0, 1.0) == []
    assert fleet.ended(1, ExitCode.FAILED_MESSAGES, 1.0) == []
    assert fleet.ended(2, 0, 1.0) == [Finish(ExitCode.FAILED_MESSAGES)]


def test_a_burst_that_is_over_before_the_others_came_is_over() -> None:
    """The first had handled everything before it said that it was there."""
    fleet = Fleet(3, burst=True)
    fleet.begin()
    fleet.started(0)

    assert fleet.ended(0, 0, 1.0) == [Finish(0)]


def test_a_rolling_restart_goes_on_when_the_one_before_is_ready() -> None:
    """One at a time, each in order, and another request meanwhile begins nothing new."""
    fleet = running(2)

    assert doing(fleet.roll()) == [Stop(0)]
    assert doing(fleet.roll()) == []
    assert fleet.ended(0, 0, 1.0) == [Start(0)]
    fleet.started(0)
    assert doing(fleet.ready(0)) == [Stop(1)]
    assert fleet.ended(1, 0, 2.0) == [Start(1)]
    fleet.started(1)
    assert fleet.ready(1) == []
    assert doing(fleet.roll()) == [Stop(0)]


def test_a_rolling_restart_ends_with_the_host() -> None:
    """Nothing is started again then, also not the one that has just been stopped for it."""
    fleet = running(2)
    fleet.roll()

    assert fleet.stop() == [Stop(1)]
    assert fleet.roll() == []
    assert fleet.ended(0, 0, 1.0) == []
    assert fleet.ended(1, 0, 1.0) == [Finish(0)]


def test_a_rolling_restart_passes_over_one_that_is_gone() -> None:
    """It waits to be started again, and will be new by that."""
    fleet = running(3)
    fleet.roll()
    fleet.ended(1, -9, 1.0)
    fleet.ended(0, 0, 1.0)
    fleet.started(0)

    assert doing(fleet.ready(0)) == [Stop(2)]


EVENTS = st.lists(
    st.tuples(st.sampled_from(["end", "crash", "ready", "roll", "due"]), st.integers(0, 2)), max_size=40
)


@given(EVENTS)
def test_whatever_happens_a_host_that_is_stopped_finishes_once(events: list[tuple[str, int]]) -> None:
    """And while it is not, each place has a process, or will have one."""
    fleet, finishes, now = running(3), list[Order](), 0.0

    def follow(orders: object) -> None:
        finishes.extend(each for each in doing(orders) if isinstance(each, Finish))

    for what, number in events:
        now, slot = now + 7.0, fleet.slots[number]
        if what == "due" and slot.state is State.DUE:
            fleet.started(number)
        elif what == "roll":
            follow(fleet.roll())
        elif what == "ready" and slot.runs:
            follow(fleet.ready(number))
        elif what in ("end", "crash") and slot.runs:
            follow(fleet.ended(number, 1 if what == "crash" or slot.state is not State.STOPPING else 0, now))
        assert fleet.stopping or all(each.runs or each.state is State.DUE for each in fleet.slots)
    follow(fleet.stop())
    for number, slot in enumerate(fleet.slots):
        if slot.runs:
            follow(fleet.ended(number, 0, now))

    assert len(finishes) == 1
