"""Each state has its condition, the first that holds wins, and the time since when is that of the state."""

import pytest

from partita.core.health import Parked
from partita.core.ports import TopicPartition
from partita.core.states import UNHEALTHY, Facts, PartitionState, PartitionWatch, StateName

AT = TopicPartition("orders", 0)
PARKED = Parked("charge", "orders", 0, 7, "ValueError: no")
CALL = {(7, 1): "charge"}


def watch() -> PartitionWatch:
    """Of a partition whose lease began at second 0."""
    return PartitionWatch(AT, "billing", 0.0)


def still(facts: Facts, seconds: float = 4.0) -> PartitionState:
    """The state of a partition that has been so for some seconds."""
    seen = watch()
    seen.look(facts, 0.0)
    return seen.look(facts, seconds)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (Facts(), "caught up"),
        (Facts(unread=0), "caught up"),
        (Facts(begun=False, unread=0), "caught up"),
        (Facts(unread=0, told_for=20.0), "caught up (when the broker last answered, 20 s ago)"),
        (Facts(begun=False), "flowing"),
        (Facts(unread=3), "flowing"),
        (Facts(busy=True), "flowing"),
        (Facts(busy=True, calls=CALL), "flowing"),
        (Facts(busy=True, calls=CALL, retry_in=0.5), "flowing"),
        (Facts(busy=True, retry_in=0.5), "retry (in 0.5 s)"),
        (Facts(busy=True, calls=CALL, held="rate limit"), "paused (by rate limit)"),
        (Facts(busy=True, limited=True), "paused (by the limits of the process)"),
        (Facts(busy=True, calls=CALL, draining=True), "paused (by a drain)"),
        (Facts(full=True, waiting=9, open=10, busy=True), "blocked by key (9 of 10 wait behind theirs)"),
        (Facts(full=True, waiting=4, open=10, busy=True), "flowing"),
        (Facts(busy=True, parked=PARKED, retry_in=60.0), f"parked ({PARKED})"),
    ],
)
def test_what_a_partition_has_in_hand_gives_its_state(facts: Facts, told: str) -> None:
    """One condition for each name."""
    state = still(facts)

    assert str(state) == f"orders/0 {told} for 4 s"
    assert state.healthy == (state.name is not StateName.PARKED)


def test_a_call_that_lasts_is_a_slow_handler_whatever_else_moves() -> None:
    """The oldest is told, with its handler and how long; another attempt is another call."""
    seen = watch()
    states = []
    for second in range(8):
        calls = {(7, 1): "charge", (8 + second, 1): "charge"} if second else {}
        states.append(seen.look(Facts(finished=second, calls=calls, busy=True), float(second)))

    again = seen.look(Facts(finished=9, calls={(7, 2): "charge"}, busy=True), 8.0)

    assert [each.name for each in states[:6]] == [StateName.FLOWING] * 6
    assert states[7].name is StateName.SLOW_HANDLER
    assert states[7].detail == "charge at 7 for 6 s"
    assert again.name is StateName.FLOWING


def test_one_that_moves_is_flowing_between_two_messages() -> None:
    """Until nothing was finished for two seconds."""
    seen = watch()

    names = [seen.look(Facts(finished=min(at, 2)), float(at)).name.value for at in range(6)]

    assert names == ["caught up", "flowing", "flowing", "flowing", "caught up", "caught up"]


def test_silence_at_the_client_is_told_before_what_is_parked() -> None:
    """One parked key must not hide that nothing comes any more."""
    seen = watch()
    seen.doubted = StateName.NOT_FETCHING, "nothing came for 15 s"

    state = seen.look(Facts(parked=PARKED, unread=12), 3.0)

    assert (state.name, state.detail, state.unread) == (StateName.NOT_FETCHING, "nothing came for 15 s", 12)
    assert not state.healthy


def test_since_counts_from_the_change_of_the_name() -> None:
    """Another detail of the same state is no other state."""
    seen = watch()
    seen.look(Facts(), 1.0)
    seen.look(Facts(busy=True, retry_in=9.0), 10.0)

    later = seen.look(Facts(busy=True, retry_in=2.0), 17.0)

    assert (later.name, later.detail, later.since) == (StateName.RETRY, "in 2.0 s", 7.0)


def test_what_needs_somebody_to_look_is_unhealthy() -> None:
    """A slow handler or a pause is not."""
    assert {each.value for each in UNHEALTHY} == {
        "parked", "not fetching", "lease lost", "owned at the broker but not here",
    }  # fmt: skip
