"""Which dead letters are replayed, and what is remembered of a replay."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partita.core.dead_letters import DeathNotice
from partita.core.errors import SettingsError
from partita.core.ports import Commit
from partita.core.replays import Remembered, ReplayOptions, ReplaySettings, ReplaySummary, Verdict, is_full

LETTER = DeathNotice(
    topic="orders",
    partition=0,
    offset=1,
    handler="charge",
    error_class="json.decoder.JSONDecodeError",
    replays=2,
)


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        ({}, Verdict.REPLAY),
        ({"handler": "charge"}, Verdict.REPLAY),
        ({"handler": "refund"}, Verdict.LEAVE),
        ({"error": "JSONDecodeError"}, Verdict.REPLAY),
        ({"error": "json.decoder.JSONDecodeError"}, Verdict.REPLAY),
        ({"error": "DecodeError"}, Verdict.LEAVE),
        ({"max_replays": 2}, Verdict.REFUSE),
        ({"max_replays": 2, "handler": "refund"}, Verdict.LEAVE),
    ],
)
def test_a_letter_is_judged_by_handler_error_and_replays(options: ReplayOptions, verdict: Verdict) -> None:
    """What was not asked for is left; what was asked for and comes too often is refused."""
    assert ReplaySettings(**options).judge(LETTER) is verdict


@pytest.mark.parametrize(
    "options",
    [
        {"rate": 0},
        {"rate": float("inf")},
        {"rate": float("nan")},
        {"max_replays": 0},
        {"stop_after_failures": 0},
        {"stop_after_failures": 1.5},
        {"to": "no topic"},
    ],
)
def test_options_that_cannot_be_used_are_refused(options: ReplayOptions) -> None:
    """Before anything is read."""
    with pytest.raises(SettingsError):
        ReplaySettings(**options)


def test_failures_are_counted_by_their_errors() -> None:
    """One error for each letter that could not be published."""
    assert ReplaySummary(errors=(ValueError(), KeyError())).failed == 2


def test_nothing_is_committed_before_something_was_looked_at() -> None:
    """A partition that was only opened keeps what the group has stored."""
    assert Remembered.read(None).commit() is None


def test_without_letters_that_stay_the_position_is_all_there_is() -> None:
    """The ordinary case costs no map."""
    remembered = Remembered.read(None)
    for offset in (4, 5, 6):
        remembered.done(offset)
    remembered.read_to(7)

    assert remembered.commit() == Commit(7)
    assert remembered.is_done(5)


@given(st.lists(st.sets(st.integers(0, 30)), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_over_any_replays_each_letter_goes_out_once(rounds: list[set[int]], chance: random.Random) -> None:
    """Filters leave out what they like, replays end and commit where they like: none twice, none lost."""
    sent: list[int] = []
    stored: Commit | None = None

    for wanted in [*rounds, set(range(31))]:
        remembered = Remembered.read(stored)
        for offset in range(stored.offset if stored else 0, 31):
            if not remembered.is_done(offset):
                if offset in wanted:
                    sent.append(offset)
                    remembered.done(offset)
                else:
                    remembered.leave(offset)
            remembered.read_to(offset + 1)
            if chance.random() < 0.3:
                stored = remembered.commit()
        stored = remembered.commit() or stored

    assert sorted(sent) == list(range(31))
    assert stored == Commit(31)


def test_a_failure_that_is_known_late_holds_the_commit_all_the_same() -> None:
    """Letters after it may be known to be done before it is known to have failed."""
    remembered = Remembered.read(None)
    remembered.done(3)
    remembered.leave(2)
    remembered.leave(4)
    remembered.leave(1)
    remembered.read_to(5)

    commit = remembered.commit()

    assert commit is not None
    assert commit.offset == 1
    assert [Remembered.read(commit).is_done(offset) for offset in (1, 2, 3, 4)] == [False, False, True, False]


def test_a_map_says_when_it_gets_full() -> None:
    """Scattered letters fill it long before what it can hold is reached."""
    chance, remembered = random.Random(1), Remembered.read(None)
    remembered.leave(0)
    for offset in range(1, 20_000):
        if chance.random() < 0.5:
            remembered.done(offset)
    remembered.read_to(20_000)

    commit = remembered.commit()

    assert commit is not None
    assert is_full(commit)
    assert not is_full(Commit(5))
