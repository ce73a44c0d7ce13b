"""The keys of numbers, and how numbers of one key become one."""

import json

from partita.core.metrics import FAMILIES, Series, added_up, is_lasting


def test_a_key_is_a_line_of_prometheus_text_without_its_number() -> None:
    """It is text, with its parts at hand."""
    series = Series("partita_x_total", {"topic": "orders", "partition": 0})

    assert series == 'partita_x_total{topic="orders",partition="0"}'
    assert (series.name, series.labels) == ("partita_x_total", {"topic": "orders", "partition": "0"})
    assert Series("partita_x", {}) == "partita_x"
    assert json.dumps({series: 1}) == json.dumps({str(series): 1})


def test_what_would_end_a_label_is_escaped() -> None:
    """As the text format says; the label itself stays as it is."""
    series = Series("x", {"group": 'a"b\\c\nd'})

    assert series == 'x{group="a\\"b\\\\c\\nd"}'
    assert series.labels["group"] == 'a"b\\c\nd'


def test_numbers_of_one_key_are_added_up() -> None:
    """Two members of a group in one process are one row."""
    one, other = Series("x", {"group": "a"}), Series("x", {"group": "b"})

    assert added_up([(one, 1), (other, 5), (one, 2.5)]) == {one: 3.5, other: 5}


def test_only_gauges_go_with_what_they_were_measured_of() -> None:
    """What has ended is not parked any more, but was handled."""
    lasting = {name: is_lasting(Series(name, {})) for name in FAMILIES}

    assert {name for name, lasts in lasting.items() if not lasts} == {
        "partita_unfinished_messages",
        "partita_parked_messages",
        "partita_heartbeat_seconds",
    }
    assert is_lasting(Series("partita_handler_seconds_bucket", {}))


def test_every_name_says_its_unit_and_no_two_say_the_same() -> None:
    """As Prometheus has it: what only grows ends in _total."""
    for name, family in FAMILIES.items():
        assert name.startswith("partita_")
        assert name.endswith("_total") == (family.kind == "counter")
        assert family.kind != "histogram" or name.endswith("_seconds")
        assert "\n" not in family.help
    assert len({family.help for family in FAMILIES.values()}) == len(FAMILIES)


def test_a_series_knows_its_family() -> None:
    """So that whoever prints it can say what it is; one that nobody knows is a number all the same."""
    bucket = Series("partita_handler_seconds_bucket", {"le": "0.1"})
    plain, other = Series("partita_retries_total", {}), Series("x_y", {})

    assert (bucket.family_name, bucket.family.kind) == ("partita_handler_seconds", "histogram")
    assert (plain.family_name, plain.family.kind) == ("partita_retries_total", "counter")
    assert (other.family_name, other.family.kind) == ("x_y", "gauge")
