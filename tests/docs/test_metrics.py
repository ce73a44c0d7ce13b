"""The page on metrics names every number, and no other."""

import re
from pathlib import Path

from partita.core.figures import BOUNDS
from partita.core.metrics import FAMILIES
from partita_worker.endpoint.names import FIGURES

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "metrics.md").read_text()
BUS, ENDPOINT = PAGE.split("## What the endpoint adds")


def rows(text: str) -> dict[str, tuple[str, tuple[str, ...], str]]:
    """Kind, labels and words of each name in the table of a text."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "| `" in line
    ]
    return {
        name.strip("`"): (kind, tuple(filter(None, labels.split(", "))), told)
        for name, kind, labels, told in cells
    }


def test_every_number_is_described_as_the_code_has_it() -> None:
    """Name, kind, labels and words; none is missing, none is left over."""
    assert rows(BUS) == {name: (each.kind, each.labels, each.help) for name, each in FAMILIES.items()}


def test_every_number_that_the_endpoint_adds_is_described() -> None:
    """In the same way; a worker's own numbers stand in no other place."""
    assert rows(ENDPOINT) == {name: (each.kind, each.labels, each.help) for name, each in FIGURES.items()}


def test_the_classes_of_durations_are_those_of_the_code() -> None:
    """A reader who sets an alert counts on them."""
    found = re.search(r"so many seconds: ([\d., ]+), `\+Inf`", PAGE)

    assert found is not None
    assert tuple(float(each) for each in found[1].split(", ")) == BOUNDS
