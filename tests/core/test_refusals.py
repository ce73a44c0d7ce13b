"""What a server has refused rests before it is shown again."""

from partita.core.refusals import Refusals

ERROR = ValueError("no")


def test_what_was_refused_rests_for_longer_each_time_up_to_thirty_seconds() -> None:
    """A server that locks accounts after a few attempts sees a few in a minute."""
    refusals, now, waits = Refusals(), 100.0, []

    for _ in range(7):
        refusals.refused("otto", ERROR, now)
        waits.append(next(s for s in range(1, 60) if refusals.standing("otto", now + s) is None))
        now += waits[-1]

    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_something_else_may_be_shown_at_once() -> None:
    """Whoever has put a new password in place need not wait for the old one's rest."""
    refusals = Refusals()

    refusals.refused("old", ERROR, 0.0)

    assert refusals.standing("old", 0.5) is ERROR
    assert refusals.standing("new", 0.5) is None


def test_an_acceptance_ends_the_rest() -> None:
    """The next refusal is a first one again."""
    refusals = Refusals()
    refusals.refused("otto", ERROR, 0.0)
    refusals.refused("otto", ERROR, 1.0)

    refusals.accepted()
    refusals.refused("otto", ERROR, 2.0)

    assert refusals.standing("otto", 2.9) is ERROR
    assert refusals.standing("otto", 3.0) is None
