"""Differences between the broker and a member: which count, how long they may last, what passes."""

from collections.abc import Mapping
from itertools import pairwise

import pytest

from partita.core.doubts import Doubt, Doubts, Local
from partita.core.ports import TopicPartition
from partita.core.views import BrokerView

AT, OTHER = TopicPartition("orders", 0), TopicPartition("orders", 1)
Here = Mapping[TopicPartition, Local]
WANTS, CLOSED = Local(7, wants=True), Local(7, wants=False)
OURS = BrokerView(True, owned=frozenset({AT}))


def waiting(unread: Mapping[TopicPartition, int] | None) -> BrokerView:
    """A view of a group in which one partition is the member's."""
    return BrokerView(True, owned=frozenset({AT}), unread=unread)


def reasons(view: BrokerView, here: Here, seconds: int = 40) -> list[tuple[int, str]]:
    """When the client is to be rebuilt, asked every 5 s, and why."""
    doubts = Doubts()
    found = ((now, doubts.weigh(view, here, float(now))) for now in range(0, seconds + 1, 5))
    return [(now, reason) for now, reason in found if reason is not None]


@pytest.mark.parametrize(
    ("view", "here", "doubt", "when"),
    [
        (waiting({AT: 3}), {AT: WANTS}, Doubt.NOT_FETCHING, 20),
        (waiting(None), {AT: WANTS}, Doubt.NOT_FETCHING, 20),
        (OURS, {}, Doubt.NOT_HERE, 15),
        (BrokerView(True), {AT: WANTS}, Doubt.NOT_OURS, 15),
        (BrokerView(True, orphans=frozenset({AT})), {}, Doubt.NOBODYS, 15),
    ],
)
def test_a_difference_that_stays_rebuilds_the_client(
    view: BrokerView, here: Here, doubt: Doubt, when: int
) -> None:
    """Within 30 s, naming the partition and what does not fit."""
    first, *_ = reasons(view, here)

    assert first == (when, f"{AT}: {doubt.value}, for 15 s")


@pytest.mark.parametrize(
    ("view", "here"),
    [
        (OURS, {AT: WANTS}),
        (waiting({AT: 0}), {AT: WANTS}),
        (waiting({AT: 3}), {AT: CLOSED}),
        (waiting(None), {AT: CLOSED}),
        (BrokerView(True), {}),
        (BrokerView(False, owned=frozenset({AT}), orphans=frozenset({OTHER})), {}),
        (BrokerView(False), {AT: WANTS}),
    ],
)
def test_what_fits_or_is_not_settled_is_no_doubt(view: BrokerView, here: Here) -> None:
    """A group in a rebalance says nothing, and a partition that takes no more is silent on purpose."""
    assert reasons(view, here, seconds=600) == []


def test_one_that_moves_is_never_silent() -> None:
    """However much waits for it."""
    doubts = Doubts()

    found = [doubts.weigh(waiting({AT: 900}), {AT: Local(n, True)}, 5.0 * n) for n in range(100)]

    assert found == [None] * 100


def test_a_doubt_that_passes_begins_anew_when_it_comes_back() -> None:
    """Two short silences are not one long one."""
    doubts = Doubts()
    silent, answered = waiting({AT: 1}), waiting({AT: 0})

    found = [doubts.weigh(silent if n % 4 else answered, {AT: WANTS}, 5.0 * n) for n in range(40)]

    assert found == [None] * 40


def test_what_a_new_client_does_not_mend_is_left_alone_longer_each_time() -> None:
    """A rebuild disturbs the whole group, so it must not become a habit."""
    times = [now for now, _ in reasons(BrokerView(True, orphans=frozenset({AT, OTHER})), {}, 1200)]

    pauses = [later - earlier for earlier, later in pairwise(times)]

    assert times[0] == 15
    assert pauses == [35, 65, 125, 245, 305, 305]


def test_rebuilds_are_forgotten_after_a_good_time() -> None:
    """Ten minutes without any doubt."""
    doubts = Doubts()
    for now in (0.0, 15.0):
        doubts.weigh(BrokerView(True), {AT: WANTS}, now)
    assert (doubts.rebuilds, doubts.patience) == (1, 30.0)

    doubts.weigh(OURS, {AT: WANTS}, 600.0)
    assert doubts.rebuilds == 1
    doubts.weigh(OURS, {AT: WANTS}, 616.0)

    assert doubts.rebuilds == 0


def test_several_partitions_are_one_reason_with_a_number() -> None:
    """The text must stay a line."""
    (_, reason), *_ = reasons(BrokerView(True, orphans=frozenset({AT, OTHER})), {})

    assert ", and 1 more: the broker says that no member" in reason


def test_a_new_client_is_judged_by_itself() -> None:
    """What was seen of the last one says nothing of it."""
    doubts = Doubts()
    doubts.weigh(BrokerView(True), {AT: WANTS}, 0.0)
    doubts.forget()

    assert doubts.weigh(BrokerView(True), {AT: WANTS}, 15.0) is None
