"""Which offsets are due, and that a commit never moves back."""

from hypothesis import given
from hypothesis import strategies as st

from partita.core.commits import CommitPlan
from partita.core.ports import TopicPartition

A, B = TopicPartition("orders", 0), TopicPartition("orders", 1)
OFFSETS = st.dictionaries(st.sampled_from([A, B]), st.none() | st.integers(0, 20), max_size=2)


def test_due_is_what_moved_and_nothing_else() -> None:
    """A partition of which nothing was read, or that stands still, needs no request."""
    plan = CommitPlan()
    plan.sent({A: 5}, refused=())

    due = plan.due({A: 5, B: None})

    assert due == {}
    assert plan.due({A: 6, B: None}) == {A: 6}


def test_a_refused_offset_stays_due() -> None:
    """What the broker did not store goes with the next commit."""
    plan = CommitPlan()

    plan.sent({A: 5, B: 7}, refused={B})

    assert plan.due({A: 5, B: 7}) == {B: 7}


def test_a_forgotten_partition_starts_afresh() -> None:
    """A partition that comes back may stand lower, such as after its topic was made anew."""
    plan = CommitPlan()
    plan.sent({A: 50}, refused=())

    plan.forget(A)
    plan.forget(B)

    assert plan.due({A: 3}) == {A: 3}


@given(st.lists(st.tuples(OFFSETS, st.sets(st.sampled_from([A, B])))))
def test_a_commit_never_moves_back(
    steps: list[tuple[dict[TopicPartition, int | None], set[TopicPartition]]],
) -> None:
    """Whatever is committable and whatever is refused, stored offsets only grow."""
    plan = CommitPlan()
    stored: dict[TopicPartition, int] = {}

    for committable, refused in steps:
        due = plan.due(committable)
        plan.sent(due, refused)
        for partition, offset in due.items():
            assert offset > stored.get(partition, -1)
            if partition not in refused:
                stored[partition] = offset
