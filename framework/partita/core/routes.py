"""
Decide which handler a message goes to: by topic first, then by kind.

A table is made once per group. A topic is looked up once per assignment, never per message. An exact
topic wins over a pattern; a kind wins over a handler without one.
"""

from collections.abc import Collection, Mapping, Sequence
from re import Pattern
from typing import Generic, TypeVar

import attrs

from partita.core.errors import RouteError

T = TypeVar("T")
Source = str | Pattern[str]


def spell(source: Source) -> str:
    """A topic or a pattern as a reader would write it."""
    return repr(source) if isinstance(source, str) else f"the pattern {source.pattern!r}"


@attrs.define(eq=False)
class RouteTable(Generic[T]):
    """Where the messages of one group go. `T` is whatever stands for a handler."""

    _topics: dict[str, dict[str | None, T]] = attrs.field(factory=dict, init=False)
    _patterns: dict[Pattern[str], dict[str | None, T]] = attrs.field(factory=dict, init=False)

    def add(self, source: Source, kind: str | None, handler: T, where: str) -> None:
        """
        Send messages of *source* and *kind* to *handler*.

        Raises:
            RouteError: another handler has them already.
        """
        kinds = (
            self._topics.setdefault(source, {})
            if isinstance(source, str)
            else self._patterns.setdefault(source, {})
        )
        if kind in kinds:
            which = "" if kind is None else f" of kind {kind!r}"
            raise RouteError(
                f"{where}: messages of {spell(source)}{which} have a handler in this group already; "
                "give one of them another kind= or group="
            )
        kinds[kind] = handler

    def kinds(self, source: Source) -> Mapping[str | None, T]:
        """The handlers of a topic or pattern by kind, as they were added for just that."""
        return self._topics.get(source, {}) if isinstance(source, str) else self._patterns.get(source, {})

    @property
    def topics(self) -> frozenset[str]:
        """The topics named outright."""
        return frozenset(self._topics)

    @property
    def patterns(self) -> tuple[Pattern[str], ...]:
        """The patterns, each once."""
        return tuple(self._patterns)

    @property
    def handlers(self) -> Sequence[T]:
        """Every handler once, in the order they were added."""
        tables = (*self._topics.values(), *self._patterns.values())
        return list(dict.fromkeys(each for kinds in tables for each in kinds.values()))

    def lookup(self, topic: str) -> Mapping[str | None, T]:
        """
        The handlers of a topic by kind; None is the one for all other kinds. Empty: nobody reads it.

        Raises:
            RouteError: two patterns match it.
        """
        if topic in self._topics:
            return self._topics[topic]
        matching = [pattern for pattern in self._patterns if pattern.fullmatch(topic)]
        if len(matching) > 1:
            raise RouteError(
                f"topic {topic!r} is matched by {spell(matching[0])} and {spell(matching[1])}; "
                "narrow one of them, or name the topic outright"
            )
        return self._patterns[matching[0]] if matching else {}


def missing(topics: Collection[str], there: Collection[str]) -> Sequence[str]:
    """Which of *topics* the broker does not have, sorted."""
    return sorted(set(topics) - set(there))
