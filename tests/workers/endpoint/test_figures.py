"""Prometheus's text format, version 0.0.4."""

import math

import pytest

from partita_worker.endpoint.figures import Family, Sample, exposition, number
from partita_worker.endpoint.processes import process_families


def test_a_family_is_told_with_help_type_and_every_sample() -> None:
    """As the format has it, each line with its newline."""
    family = Family(
        "handled_total", "counter", "Messages handled.", [Sample(3, {"topic": "orders"}), Sample(0.5)]
    )

    assert exposition([family]) == (
        "# HELP handled_total Messages handled.\n"
        "# TYPE handled_total counter\n"
        'handled_total{topic="orders"} 3\n'
        "handled_total 0.5\n"
    )


def test_nothing_in_a_label_or_a_help_text_can_forge_a_line() -> None:
    """Backslash, quote and newline are escaped; a topic may be called anything."""
    sample = Sample(1, {"topic": 'a"} 9\n# HELP x\\', "group": "é"})

    told = exposition([Family("x", "gauge", "one\ntwo\\", [sample])])

    assert told == (
        "# HELP x one\\ntwo\\\\\n"
        "# TYPE x gauge\n"
        'x{topic="a\\"} 9\\n# HELP x\\\\",group="é"} 1\n'
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "told"),
    [(3, "3"), (3.0, "3"), (0.25, "0.25"), (True, "1"), (-2, "-2"), (1e300, "1e+300"),
     (2**80, "1.2089258196146292e+24"),
     (math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN")],
)  # fmt: skip
def test_numbers_are_told_as_the_format_has_them(value: float, told: str) -> None:
    """Whole ones exactly, and the words for those that are none."""
    assert number(value) == told


@pytest.mark.parametrize("name", ["", "1x", "a-b", "a b", "é"])
def test_a_name_that_cannot_be_used_is_refused(name: str) -> None:
    """A scrape would fail as a whole, far from here."""
    with pytest.raises(ValueError, match="no name"):
        Family(name, "gauge", "", [])
    with pytest.raises(ValueError, match="no name"):
        exposition([Family("x", "gauge", "", [Sample(1, {name: ""})])])


def test_the_process_is_told_by_the_usual_names() -> None:
    """So that dashboards made for others fit."""
    families = {each.name: next(iter(each.samples)).value for each in process_families()}

    assert set(families) >= {"process_cpu_seconds_total", "process_resident_memory_bytes"}
    assert families["process_start_time_seconds"] > 1e9
    assert 1e6 < families["process_resident_memory_bytes"] < 1e10
