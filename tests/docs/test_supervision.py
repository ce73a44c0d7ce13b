"""The page of supervision is what the code does: kinds of failure, limits, waits."""

import re
from pathlib import Path

import attrs

from partita.actors.witness import ASK_SECONDS, TELL_SECONDS
from partita.core.doubts import DOUBT_SECONDS, MOST_PATIENCE, Doubt
from partita.core.restarts import FailureKind, RestartPolicy

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explanation" / "supervision.md").read_text()
KINDS = {
    row[0]: row
    for row in re.findall(r"^\| (\w+) \| ([^|]+) \| `(core/\w+\.py)` \| ([^|]+) \|", PAGE, flags=re.MULTILINE)
}


def test_every_kind_of_failure_stands_there_with_where_it_is_decided() -> None:
    """Those of a supervisor, and the two that are a message's own."""
    assert KINDS.keys() == {"record", "dependency"} | {each.value for each in FailureKind}
    for _, _, path, _ in KINDS.values():
        assert (ROOT / "framework" / "partita" / path).exists()


def test_the_limits_are_those_of_the_code() -> None:
    """A page that says another number misleads."""
    policy = RestartPolicy()

    assert attrs.astuple(policy) == (5, 60.0, 0.5, 30.0, 5.0, 0.2)
    assert "after 0.5 s, then longer, up to 30 s; the sixth within 60 s" in KINDS["crash"][3]
    assert "after 0.5 s, then longer, up to 5 s" in KINDS["transport"][3]


def test_the_witness_asks_tells_and_acts_as_the_page_says() -> None:
    """Five seconds, eight, fifteen, and a row for each doubt."""
    assert (ASK_SECONDS, TELL_SECONDS, DOUBT_SECONDS, MOST_PATIENCE) == (5.0, 8.0, 15.0, 300.0)
    assert PAGE.count("| rebuilt |") == len(Doubt)
