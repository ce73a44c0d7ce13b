"""Where a group stands: what it has stored, what this process knows, and what there still is."""

import pytest

from partita.core.extents import Held, Place
from partita.core.finished import Finished
from partita.core.offset_map import OffsetMap
from partita.core.ports import Commit


@pytest.mark.parametrize(
    ("commit", "held", "start", "position"),
    [
        (None, None, "earliest", 10),
        (None, None, "latest", 50),
        (30, None, "earliest", 30),
        (30, 35, "earliest", 35),
        (30, 20, "earliest", 30),
        (None, 35, "latest", 35),
        (5, None, "earliest", 10),
        (5, None, "latest", 50),
        (60, None, "earliest", 10),
        (30, 60, "earliest", 50),
        (None, 5, "earliest", 10),
    ],
)
def test_the_position_is_the_latest_that_is_known_within_what_there_is(
    commit: int | None, held: int | None, start: str, position: int
) -> None:
    """Offsets 10 to 49 are there; what a commit cannot be read from begins as the client would have it."""
    stored = None if commit is None else Commit(commit)
    known = None if held is None else Held(held)

    assert Place.of(stored, known, 10, 50, start).position == position


def test_what_a_commit_says_is_finished_above_it_does_not_wait() -> None:
    """Also for who does not own the partition; of a map that is not ours nothing is believed."""
    told = OffsetMap(Finished.of([12, 13, 20])).encode(11)
    place = Place.of(Commit(11, told), None, 0, 30, "earliest")
    foreign = Place.of(Commit(11, "notes"), None, 0, 30, "earliest")

    assert place.unfinished(30 - 11, 30) == 16
    assert foreign.unfinished(30 - 11, 30) == 19


def test_what_is_finished_beyond_the_end_is_not_taken_off() -> None:
    """The broker's answer may be older than what this process has handled."""
    place = Place.of(None, Held(5, Finished.of([7, 8, 40])), 0, 10, "earliest")

    assert place.unfinished(5, 10) == 3


def test_the_first_unfinished_message_counts_whatever_is_finished_above() -> None:
    """Runs of finished offsets may span some that hold no message."""
    place = Place.of(None, Held(5, Finished.joined([(6, 10)])), 0, 10, "earliest")

    assert place.unfinished(2, 10) == 1
    assert place.unfinished(0, 10) == 0
