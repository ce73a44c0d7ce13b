"""Until when a token is good, and when the next one is got."""

import base64
import json

import pytest

from partita.core.tokens import read_token


def jwt(claims: object) -> str:
    """A token that tells its claims."""
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"head.{middle}.signature"


def test_a_token_is_replaced_when_most_of_its_life_has_passed() -> None:
    """At 80 %, earlier or later by a twentieth of it so that a thousand workers do not ask at once."""
    token = read_token(("t", 100), 1000.0)

    assert token.is_fresh(1079.0, 0.0)
    assert not token.is_fresh(1080.0, 0.0)
    assert not token.is_fresh(1076.0, -1.0)
    assert token.is_fresh(1084.0, 1.0)


def test_a_token_is_good_to_its_end() -> None:
    """An issuer that is away for a while is no reason to stop."""
    token = read_token(("t", 100), 1000.0)

    assert token.is_good(1099.0)
    assert not token.is_good(1100.0)


def test_the_end_of_a_web_token_is_read_from_it() -> None:
    """Most providers hand out nothing else."""
    token = read_token(jwt({"exp": 1100}), 1000.0)

    assert token.expires == 1100.0


@pytest.mark.parametrize(
    "text", ["opaque", "a.b.c", jwt({}), jwt([1]), jwt({"exp": "soon"}), "a.%%%.c", "a.YQ.c", "ä.ä.ä"]
)
def test_a_token_that_does_not_tell_its_end_is_asked_for_each_time(text: str) -> None:
    """Nothing is guessed about it."""
    token = read_token(text, 1000.0)

    assert token.value.reveal() == text
    assert not token.is_fresh(1000.0, 0.0)
    assert not token.is_good(1000.0)


@pytest.mark.parametrize("given", [None, b"bytes", "", ("", 5), ("t", "5"), 7])
def test_what_is_no_token_is_refused_without_being_shown(given: object) -> None:
    """The error tells the type, for the value may be most of a secret."""
    with pytest.raises(TypeError, match=r"return the token as str, or \(str, seconds\)"):
        read_token(given, 1000.0)
