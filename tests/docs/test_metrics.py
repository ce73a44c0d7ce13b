"""The page on metrics names every number, and no other."""

import re
from pathlib import Path

from partita.core.figures import BOUNDS
from partita.core.metrics import FAMILIES

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "metrics.md").read_text()


def test_every_number_is_described_as_the_code_has_it() -> None:
    """Name, kind, labels and words; none is missing, none is left over."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if "| `" in line
    ]
    described = {
        name.strip("`"): (kind, tuple(labels.split(", ")), text) for name, kind, labels, text in rows
    }

    assert described == {name: (each.kind, each.labels, each.help) for name, each in FAMILIES.items()}


def test_the_classes_of_durations_are_those_of_the_code() -> None:
    """A reader who sets an alert counts on them."""
    found = re.search(r"so many seconds: ([\d., ]+), `\+Inf`", PAGE)

    assert found is not None
    assert tuple(float(each) for each in found[1].split(", ")) == BOUNDS
