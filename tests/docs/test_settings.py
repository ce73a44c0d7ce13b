"""The page on settings tells of every option that the installed clients have, as it is."""

import tomllib
from pathlib import Path

import pytest
from tests.docs.options import TABLES, refused, settable
from tests.docs.test_blocks import FENCE

from partita_worker.arguments.running import RUN
from partita_worker.settings_file import TABLES as FILE_TABLES

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "settings.md").read_text()


@pytest.mark.parametrize("broker", TABLES)
def test_every_option_is_told_with_what_it_takes_and_its_default(broker: str) -> None:
    """`python -m tests.docs.options` prints the rows; a new release of a client brings new ones."""
    rows = [*settable(broker), *refused(broker)]

    assert [row for row in rows if row not in PAGE.splitlines()] == []


def test_no_option_is_told_that_is_none() -> None:
    """Of all rows that begin with a name."""
    rows = {row for broker in TABLES for row in (*settable(broker), *refused(broker))}

    told = [line for line in PAGE.splitlines() if line.startswith("| `") and " | " in line]

    assert [line for line in told if line not in rows] == []


def test_the_settings_file_of_the_page_is_one() -> None:
    """Keys and tables are those that are read."""
    (text,) = [found[2] for found in FENCE.finditer(PAGE) if found[1] == "toml"]

    assert set(tomllib.loads(text)) <= {*FILE_TABLES, *(each.name for each in RUN)}
