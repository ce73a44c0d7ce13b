"""No promise without a test: each test that the guarantees name exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "guarantees.md").read_text()


def test_every_test_that_the_guarantees_name_exists() -> None:
    """Files and functions; a renamed test must not leave a promise bare."""
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)

    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / path).exists() or (name and f"def {name}(" not in (ROOT / path).read_text())
    ]

    assert named
    assert missing == []


def test_every_section_of_promises_names_a_test() -> None:
    """But those that say what is not promised, and what holds by construction."""
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    bare = [section.splitlines()[0] for section in sections if "`tests/" not in section]

    assert set(bare) <= {"Errors", "Health", "Not promised"}
