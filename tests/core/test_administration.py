"""Where a group is moved to."""

from datetime import UTC, datetime

import pytest

from partita import SettingsError
from partita.core.administration import GroupDescription, GroupMember, PartitionDescription, Target

THERE = PartitionDescription(0, "1", ["1"], ["1"], earliest=10, latest=20)


def test_a_target_is_a_name_a_time_or_a_shift() -> None:
    """A time is a datetime with its zone, or milliseconds since 1970."""
    assert Target.of("earliest", None) == Target("earliest")
    assert Target.of("latest", None) == Target("latest")
    assert Target.of(1_500, None) == Target("time", 1_500)
    assert Target.of(datetime.fromtimestamp(1.5, UTC), None) == Target("time", 1_500)
    assert Target.of(None, -3) == Target("shift", -3)


@pytest.mark.parametrize(
    ("to", "shift", "told"),
    [
        (None, None, "either to= or shift="),
        ("earliest", 1, "either to= or shift="),
        ("newest", None, "'newest'"),
        (1.5, None, "1.5"),
        (True, None, "True"),
        (-1, None, "milliseconds since 1970"),
        (datetime(2026, 1, 1), None, "with its zone"),
        (None, 1.5, "1.5"),
    ],
)
def test_what_is_no_target_is_refused(to: object, shift: int | None, told: str) -> None:
    """With what was given, and what may be."""
    with pytest.raises(SettingsError, match=told):
        Target.of(to, shift)


@pytest.mark.parametrize(
    ("target", "committed", "at_time", "after"),
    [
        (Target("earliest"), 15, None, 10),
        (Target("latest"), None, None, 20),
        (Target("time", 5), None, 12, 12),
        (Target("time", 5), None, None, 20),
        (Target("shift", -2), 15, None, 13),
        (Target("shift", 3), 15, None, 18),
        (Target("shift", -100), 15, None, 10),
        (Target("shift", 100), 15, None, 20),
    ],
)
def test_a_group_is_moved_to_what_is_there(
    target: Target, committed: int | None, at_time: int | None, after: int
) -> None:
    """Never before the first message, nor beyond the last."""
    assert target.offset(committed, THERE, at_time) == after


def test_what_was_never_stored_cannot_be_shifted() -> None:
    """There is nothing to count from."""
    with pytest.raises(SettingsError, match="nothing is stored"):
        Target("shift", 1).offset(None, THERE, None)


@pytest.mark.parametrize(
    ("state", "members", "live"),
    [
        ("empty", [], False),
        ("dead", None, False),
        ("live", None, True),
        ("stable", [GroupMember("1", "c", "h", [])], True),
        ("preparingrebalance", [], True),
    ],
)
def test_a_group_is_live_while_somebody_reads_in_it_or_is_about_to(
    state: str, members: list[GroupMember] | None, live: bool
) -> None:
    """Then a reset would be undone by the next commit."""
    assert GroupDescription("g", state, members).is_live == live
