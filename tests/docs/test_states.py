"""The page of states is what the code does: each name, its colour, its numbers."""

import re
from pathlib import Path

from partita import StateName
from partita.core.states import SLOW_SECONDS, STILL_SECONDS, UNHEALTHY

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "states.md").read_text()
ROWS = re.findall(r"^\| ([^|]+) \| (red|green) \| ([^|]+) \|", PAGE, flags=re.MULTILINE)


def test_every_state_stands_there_with_its_colour() -> None:
    """None is missing, none is made up."""
    told = {name: colour for name, colour, _ in ROWS}

    assert told == {each.value: "red" if each in UNHEALTHY else "green" for each in StateName}


def test_the_seconds_are_those_of_the_code() -> None:
    """A page that says another number misleads."""
    when = {name: text for name, _, text in ROWS}

    assert f"for {SLOW_SECONDS:g} s" in when["slow handler"]
    assert f"last {STILL_SECONDS:g} s" in when["flowing"]
