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


def test_every_promise_names_a_test() -> None:
    """A promise is a paragraph that begins in bold."""
    paragraphs = [each for each in PAGE.split("\n\n") if each.startswith("**")]
    bare = [each.splitlines()[0] for each in paragraphs if "`tests/" not in each]

    assert len(paragraphs) > 20
    assert bare == []


def test_what_most_readers_look_for_stands_first() -> None:
    """Order, delivery, shutdown, and what a restart repeats."""
    sections = re.findall(r"^## (.*)", PAGE, flags=re.MULTILINE)

    assert sections[:4] == ["Order", "Delivery", "What a restart repeats", "Shutdown"]
    assert sections[-1] == "Not promised"
