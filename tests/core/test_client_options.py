"""Options given in several places, for several clients."""

import pytest

from partita import SettingsError
from partita.core.client_options import (
    ADDRESS,
    ReadOptions,
    Rules,
    Table,
    masked,
    read_options,
    refuse,
    without_counterparts,
)
from partita.core.option_types import whole

RULES = Rules(
    "The client",
    {"consumer": ("pace", "group", "depth"), "producer": ("pace", "linger", "width")},
    lambda name: whole(),
    {"group": "the group is given with the run"},
)


def read(*tables: Table) -> ReadOptions:
    """What comes of tables."""
    return read_options(RULES, tables)


def test_an_option_is_for_each_client_that_has_it_and_the_last_table_wins() -> None:
    """With where the value came from."""
    found = read(
        Table("settings", {"pace": 1, "linger": 5}),
        Table("settings.consumer", {"pace": 2, "depth": 9}, "consumer"),
        Table(ADDRESS, {"depth": "10"}),
    )

    assert found.values == {"consumer": {"pace": 2, "depth": 10}, "producer": {"pace": 1, "linger": 5}}
    assert found.origins == {
        "consumer": {"pace": "settings.consumer", "depth": "address"},
        "producer": {"pace": "settings", "linger": "settings"},
    }
    assert found.problems == ()


def test_everything_that_cannot_be_used_is_told_with_its_place() -> None:
    """Nothing is told twice, and what can be used is not lost over it."""
    found = read(
        Table("settings", {"pice": 1, "group": "g", "pace": 3}),
        Table("settings.consumer", {"width": 1, "depth": -1}, "consumer"),
        Table("settings.producer", [("pace", 1)]),  # type: ignore[arg-type]
        Table("settings.producer", {7: 1}),  # type: ignore[dict-item]
        Table(ADDRESS, {"group": "g"}),
    )

    assert found.problems == (
        "settings: The client has no option 'pice'; did you mean 'pace'?",
        "settings: the option 'group' cannot be set here: the group is given with the run",
        "settings.consumer: the option 'width' is one of the producer, not of the consumer",
        "settings.consumer: the option 'depth' is a whole number from 0, not -1",
        "settings.producer: give a mapping from names to values",
        "settings.producer: give a mapping from names to values",
        "the option 'group' cannot be set in an address: the group is given with the run",
    )
    assert found.values["producer"] == {"pace": 3}


def test_one_problem_is_a_sentence_and_several_are_a_list() -> None:
    """Each once."""
    refuse([])
    with pytest.raises(SettingsError, match=r"^no$"):
        refuse(["no", "no"])
    with pytest.raises(SettingsError) as several:
        refuse(["no", "nor that"])

    assert str(several.value) == "2 settings cannot be used:\n  - no\n  - nor that"


def test_a_secret_and_the_file_with_it_give_way_to_each_other() -> None:
    """What was said last is meant, whichever of the two it is."""
    said = {"password_file": "/run/secret", "user": "me", "token": "t"}

    assert without_counterparts(said, {"password": "x"}) == {"user": "me", "token": "t"}
    assert without_counterparts(said, {"user_file": "y"}) == {"password_file": "/run/secret", "token": "t"}
    assert without_counterparts(said, {}) is said


def test_secrets_are_masked_where_there_is_one() -> None:
    """By the option's name."""
    assert masked("sasl_plain_password", "planted") == "***"
    assert masked("sasl_plain_password", None) is None
    assert masked("client_id", "me") == "me"
