"""Which commits are due, and that an offset never moves back."""

from hypothesis import given
from hypothesis import strategies as st

from partita.core.commits import CommitPlan
from partita.core.ports import Commit, TopicPartition

A, B = TopicPartition("orders", 0), TopicPartition("orders", 1)
COMMITS = st.builds(Commit, st.integers(0, 20), st.sampled_from(["", "map", "other"]))
STEPS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from([A, B]), st.none() | COMMITS, max_size=2),
        st.sets(st.sampled_from([A, B])),
    )
)


def test_due_is_what_moved_and_nothing_else() -> None:
    """A partition of which nothing was read, or that stands still, needs no request."""
    plan = CommitPlan()
    plan.sent({A: Commit(5)}, refused=())

    due = plan.due({A: Commit(5), B: None})

    assert due == {}
    assert plan.due({A: Commit(6), B: None}) == {A: Commit(6)}


def test_metadata_that_changed_is_due_though_the_offset_stands_still() -> None:
    """Behind a message that hangs, what finishes above it is stored all the same."""
    plan = CommitPlan()
    plan.sent({A: Commit(5, "one finished")}, refused=())

    assert plan.due({A: Commit(5, "two finished")}) == {A: Commit(5, "two finished")}
    assert plan.due({A: Commit(5, "one finished")}) == {}
    assert plan.due({A: Commit(4, "two finished")}) == {}


def test_a_refused_commit_stays_due() -> None:
    """What the broker did not store goes with the next one."""
    plan = CommitPlan()

    plan.sent({A: Commit(5), B: Commit(7)}, refused={B})

    assert plan.due({A: Commit(5), B: Commit(7)}) == {B: Commit(7)}


def test_a_forgotten_partition_starts_afresh() -> None:
    """A partition that comes back may stand lower, such as after its topic was made anew."""
    plan = CommitPlan()
    plan.sent({A: Commit(50)}, refused=())

    plan.forget(A)
    plan.forget(B)

    assert plan.due({A: Commit(3)}) == {A: Commit(3)}


@given(STEPS)
def test_an_offset_never_moves_back_and_nothing_is_sent_twice(
    steps: list[tuple[dict[TopicPartition, Commit | None], set[TopicPartition]]],
) -> None:
    """Whatever is committable and whatever is refused, stored offsets only grow."""
    plan = CommitPlan()
    stored: dict[TopicPartition, Commit] = {}

    for committable, refused in steps:
        due = plan.due(committable)
        plan.sent(due, refused)
        for partition, commit in due.items():
            assert commit != stored.get(partition)
            assert commit.offset >= stored.get(partition, Commit(0)).offset
            if partition not in refused:
                stored[partition] = commit
