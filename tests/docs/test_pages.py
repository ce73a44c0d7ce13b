"""The pages hang together: all are in the index, links lead somewhere, a how-to ends in a proof."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.docs.test_blocks import FENCE

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
# These show functions of Python; there is nothing about them to see at a shell.
WITHOUT_SESSION = {"middleware.md"}
HOW_TO = [page for page in sorted((DOCS / "how-to").glob("*.md")) if page.name not in WITHOUT_SESSION]


def linked(page: Path) -> set[Path]:
    """The files that a page links, without blocks of code."""
    text = FENCE.sub("", page.read_text())
    return {(page.parent / target).resolve() for target in LINK.findall(text) if "://" not in target}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    """A page that was moved takes its links with it."""
    assert [str(target) for target in linked(page) if not target.exists()] == []


def test_the_index_names_every_page() -> None:
    """What nobody can find nobody reads."""
    pages = {page.resolve() for page in DOCS.rglob("*.md")} - {DOCS / "README.md"}

    assert pages - linked(DOCS / "README.md") == set()
    assert DOCS / "README.md" in linked(ROOT / "README.md")


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.name)
def test_a_how_to_page_ends_in_a_command_whose_output_is_compared(page: Path) -> None:
    """Its reader can see that it works, and so can the tests."""
    *_, last = FENCE.finditer(page.read_text())

    assert last[1] == "console"
    assert last.end() == len(page.read_text().rstrip())
    assert not last[2].splitlines()[-1].startswith("$ ")


def test_every_picture_is_shown_and_tells_its_content_in_words() -> None:
    """Who cannot see it reads its title and description."""
    shown = {target for page in PAGES for target in linked(page)}
    pictures = list(DOCS.rglob("*.svg"))

    assert {picture.resolve() for picture in pictures} - shown == set()
    for picture in pictures:
        words = [each.text for each in ElementTree.parse(picture).getroot()[:2]]
        assert all(words)
