"""How many messages a process is handed at once, and which of them it died of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partita.core.blame import culprit
from partita.core.paces import MOST, Pace


@pytest.mark.parametrize(
    ("micros", "batch"), [(10, MOST), (100, 50), (1_000, 5), (4_000, 1), (50_000, 1), (0, MOST)]
)
def test_a_batch_takes_about_five_milliseconds(micros: int, batch: int) -> None:
    """Slow messages go one by one, quick ones by the hundred."""
    pace = Pace()

    pace.took(micros * 100 / 1e6, 100)

    assert pace.batch == pytest.approx(batch, abs=1)


def test_nothing_is_known_of_the_first_message() -> None:
    """So it goes alone."""
    assert Pace().batch == 1


def test_the_last_messages_count_most() -> None:
    """A handler that becomes slow is handed less within a few batches."""
    pace = Pace()
    pace.took(0.01, 100)
    quick = pace.batch

    for _ in range(8):
        pace.took(0.1, 1)

    assert quick == 50
    assert pace.batch == 1


@given(
    st.none() | st.floats(1e-7, 10.0),
    st.integers(0, 5000),
    st.integers(0, 1000),
    st.integers(1, 64),
)
def test_a_share_is_fair_and_bounded(
    seconds: float | None, waiting: int, in_hand: int, processes: int
) -> None:
    """Never more than there is, than is fair, than fits; and something when a process has nothing."""
    pace = Pace(seconds)

    share = pace.share(waiting, in_hand, processes)

    assert 0 <= share <= min(waiting, pace.batch)
    assert share + in_hand <= max(2 * pace.batch, in_hand)
    assert share or in_hand or not waiting


def test_a_slow_message_has_none_behind_it() -> None:
    """It would wait there while another process is free."""
    slow, quick = Pace(0.05), Pace(0.0001)

    assert (slow.share(10, 0, 2), slow.share(10, 1, 2)) == (1, 0)
    assert (quick.share(500, 0, 2), quick.share(500, 50, 2), quick.share(500, 100, 2)) == (50, 50, 0)


@pytest.mark.parametrize(
    ("handled", "overdue", "blamed"),
    [(0, None, "a"), (2, None, "c"), (3, None, None), (1, "b", "b"), (1, "a", "a"), (0, "answered", None)],
)
def test_a_dead_process_has_died_of_one_message_at_most(
    handled: int, overdue: str | None, blamed: str | None
) -> None:
    """The one it was at; not what it had handled, and not what lay behind; or the one it was killed for."""
    assert culprit(["a", "b", "c"], handled, overdue) == blamed
