"""The options of a route: defaults, and what is refused."""

import re

import attrs
import pytest

from partita import Retry, RouteError, RouteOptions, SettingsError
from partita.core.settings import RouteSettings, check_topic_name, nearest, route_settings


def test_every_option_has_a_default() -> None:
    """A route that says nothing is a legal route."""
    settings = route_settings({}, {}, "here")

    assert RouteSettings() == settings
    assert settings.concurrency == 64
    assert Retry(attempts=5, backoff=0.2, jitter=0.2) == settings.retry
    assert (settings.order, settings.start) == ("partition", "earliest")


def test_typed_options_and_settings_are_the_same_list() -> None:
    """The options exist once: what type checkers know is what is served."""
    names = set(RouteOptions.__annotations__)

    assert names == set(attrs.fields_dict(RouteSettings))


def test_a_route_wins_over_its_router() -> None:
    """Defaults are what nothing else was said about."""
    settings = route_settings({"concurrency": 2, "to": "bills"}, {"concurrency": 9}, "here")

    assert (settings.concurrency, settings.to) == (9, "bills")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("concurency", "did you mean 'concurrency'"),
        ("retires", "did you mean 'retry'"),
        ("zzz", "known are: behind, concurrency, dead_letter"),
    ],
)
def test_a_misspelt_option_is_refused_with_the_nearest_name(name: str, told: str) -> None:
    """A default that nobody asked for must not be taken in silence."""
    with pytest.raises(RouteError, match=rf"here: there is no option '{name}'; {told}"):
        route_settings({}, {name: 1}, "here")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("concurrency", 0),
        ("concurrency", True),
        ("concurrency", 2.5),
        ("concurrency", "8"),
        ("concurrency", -1),
        ("concurrency", float("inf")),
        ("concurrency", float("nan")),
        ("retry", 5),
        ("retry", None),
        ("order", "keys"),
        ("order", []),
        ("null_key", "one"),
        ("key_from", "customer"),
        ("timeout", 0),
        ("timeout", float("inf")),
        ("timeout", float("nan")),
        ("timeout", -1.0),
        ("timeout", True),
        ("timeout", "5"),
        ("rate", 0),
        ("rate", float("inf")),
        ("rate", float("nan")),
        ("isolate_context", 1),
        ("isolate_context", "yes"),
        ("run", "fork"),
        ("start", "newest"),
        ("start", None),
        ("group", ""),
        ("group", 7),
        ("kind", b"refund"),
        ("to", ""),
        ("to", "no topic!"),
    ],
)
def test_an_unusable_value_is_refused_where_it_was_given(option: str, value: object) -> None:
    """The error names place, option and value."""
    expected = f"here: {option}={value!r}"

    with pytest.raises(RouteError, match=re.escape(expected)):
        route_settings({}, {option: value}, "here")


@pytest.mark.parametrize("topic", ["orders", "a", "A-1_b.c", "x" * 249])
def test_takes_topic_names_that_every_broker_takes(topic: str) -> None:
    """One rule lets a router move between brokers."""
    assert topic == check_topic_name(topic)


@pytest.mark.parametrize("topic", ["", ".", "..", "a b", "x" * 250, "é", "a/b", "a\n", None, 5, b"orders"])
def test_refuses_what_is_no_topic_name(topic: object) -> None:
    """The error says what is one."""
    with pytest.raises(SettingsError, match="is no topic name; use 1 to 249"):
        check_topic_name(topic)


def test_names_the_nearest_or_all() -> None:
    """A guess only when it is a good one."""
    assert nearest("kafak", ["nats", "kafka"]) == "did you mean 'kafka'?"
    assert nearest("zzzzzz", ["nats", "kafka"]) == "known are: kafka, nats"
