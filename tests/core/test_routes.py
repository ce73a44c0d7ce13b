"""Which handler has a topic: exact before pattern, kind before none."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partita import RouteError
from partita.core.routes import RouteTable, Source, missing, spell

TOPICS = ["a", "ab", "abc", "b", "views.x"]
SOURCES: list[Source] = ["a", "ab", re.compile("a.*"), re.compile("ab+"), re.compile(r"views\..*")]


def table_of(*entries: tuple[Source, str | None, str]) -> RouteTable[str]:
    """A table with *entries*."""
    table = RouteTable[str]()
    for source, kind, handler in entries:
        table.add(source, kind, handler, "here")
    return table


def test_an_exact_topic_wins_over_a_pattern() -> None:
    """A topic that is named outright has one meaning."""
    table = table_of((re.compile("a.*"), None, "pattern"), ("ab", None, "exact"))

    assert table.lookup("ab") == {None: "exact"}
    assert table.lookup("abc") == {None: "pattern"}


def test_a_pattern_matches_whole_names() -> None:
    """views is not views.eu."""
    table = table_of((re.compile("views"), None, "handler"))

    assert table.lookup("views.eu") == {}


def test_kinds_of_one_topic_are_told_apart() -> None:
    """Each kind has a handler of its own; None is for all others."""
    table = table_of(("a", None, "all"), ("a", "refund", "refund"))

    assert table.lookup("a") == {None: "all", "refund": "refund"}
    assert table.handlers == ["all", "refund"]


@pytest.mark.parametrize("kind", [None, "refund"])
@pytest.mark.parametrize("source", ["a", re.compile("a.*")])
def test_refuses_two_handlers_for_the_same_messages(source: Source, kind: str | None) -> None:
    """The error says where, what, and what to do."""
    table = table_of((source, kind, "first"))

    with pytest.raises(RouteError, match=r"here: .* have a handler in this group already; give") as caught:
        table.add(source, kind, "second", "here")

    assert (kind or "messages") in str(caught.value)


def test_refuses_two_patterns_for_one_topic() -> None:
    """Which of the two would be an accident of order."""
    table = table_of((re.compile("a.*"), None, "first"), (re.compile(".*b"), None, "second"))

    assert table.lookup("a") == {None: "first"}
    with pytest.raises(RouteError, match=r"'ab' is matched by the pattern 'a\.\*' and the pattern '\.\*b'"):
        table.lookup("ab")


def test_tells_what_it_reads() -> None:
    """Names and patterns are kept apart, each once."""
    pattern = re.compile("a.*")
    table = table_of(("x", None, "h"), ("y", None, "h"), (pattern, "k", "h"), (pattern, None, "g"))

    assert frozenset({"x", "y"}) == table.topics
    assert (pattern,) == table.patterns
    assert table.handlers == ["h", "g"]


def test_missing_topics_are_named_in_order() -> None:
    """Two runs say the same."""
    assert missing({"c", "a", "b"}, {"a", "z"}) == ["b", "c"]


def test_spells_sources_as_a_reader_would() -> None:
    """Topics as strings, patterns as patterns."""
    assert spell("a") == "'a'"
    assert spell(re.compile("a.*")) == "the pattern 'a.*'"


@given(st.sets(st.sampled_from(range(len(SOURCES)))), st.sampled_from(TOPICS))
def test_lookup_is_exact_then_the_one_pattern_then_nobody(chosen: set[int], topic: str) -> None:
    """Against the rule as the documentation has it."""
    sources = [SOURCES[each] for each in sorted(chosen)]
    table = table_of(*((source, None, spell(source)) for source in sources))
    patterns = [each for each in sources if not isinstance(each, str) and each.fullmatch(topic)]

    if topic in sources:
        assert {None: repr(topic)} == table.lookup(topic)
    elif len(patterns) > 1:
        with pytest.raises(RouteError):
            table.lookup(topic)
    else:
        assert dict.fromkeys([None] * len(patterns), spell(patterns[0]) if patterns else "") == table.lookup(
            topic
        )
