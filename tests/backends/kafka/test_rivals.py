"""Two members under one `group_instance_id`, told apart from one that was silent for too long."""

from partita.backends.kafka.rivals import Rivals


def test_three_assignments_that_are_lost_too_soon_mean_a_rival() -> None:
    """No session runs out sooner than its timeout, so somebody else has joined under the id."""
    rivals, taken = Rivals(10.0), []

    for second in (0.0, 5.0, 14.9):
        rivals.assigned(second)
        rivals.lost(second + 4.9)
        taken.append(rivals.taken)

    assert taken == [False, False, True]


def test_sessions_that_run_out_again_and_again_are_no_rival() -> None:
    """A member that is frozen or blocks its event loop is lost too, but never sooner than its timeout."""
    rivals = Rivals(10.0)

    for second in range(0, 1000, 20):
        rivals.assigned(second)
        rivals.lost(second + 10.0)

    assert not rivals.taken


def test_losses_count_in_a_row_only() -> None:
    """An operator who takes the member out of its group twice is no rival."""
    rivals = Rivals(10.0)

    for begin, end in ((0.0, 1.0), (2.0, 3.0), (4.0, 50.0), (51.0, 52.0), (53.0, 54.0)):
        rivals.assigned(begin)
        rivals.lost(end)

    assert not rivals.taken
