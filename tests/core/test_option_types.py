"""What values options take, as text and as objects."""

import pytest

from partita.core.option_types import (
    OptionType,
    any_of,
    choice,
    number,
    only,
    seconds,
    secret,
    switch,
    text,
    thing,
    whole,
)
from partita.core.secrets import Secret

FUNCTION = thing("a function", callable)


@pytest.mark.parametrize(
    ("kind", "given", "is_text", "value"),
    [
        (whole(), "12", True, 12),
        (whole(), 12, False, 12),
        (whole(none=True), "none", True, None),
        (whole(none=True), "none", False, None),
        (whole(none=True), None, False, None),
        (number(least=-1), "-1", True, -1),
        (seconds(), "0.5", True, 0.5),
        (seconds(), 3, False, 3),
        (switch(), "No", True, False),
        (switch(), True, False, True),
        (text(), "x", True, "x"),
        (choice({"all": "all", "-1": "all", "1": 1}), "-1", True, "all"),
        (choice({"all": "all", "-1": "all", "1": 1}), 1, False, 1),
        (choice({"none": None}), "none", False, None),
        (FUNCTION, len, False, len),
        (any_of(text(), FUNCTION), "x", True, "x"),
        (any_of(text(), FUNCTION), len, False, len),
    ],
)
def test_a_value_is_taken_in_the_form_of_its_place(
    kind: OptionType, given: object, is_text: bool, value: object
) -> None:
    """Text where there is only text, the client's own type elsewhere."""
    assert kind.read("it", given, is_text=is_text) == value


@pytest.mark.parametrize(
    ("kind", "given", "is_text", "said"),
    [
        (whole(), "-1", True, "a whole number from 0, not '-1'"),
        (whole(), "²", True, "a whole number from 0"),
        (whole(), "12", False, "not '12'"),
        (whole(), True, False, "not True"),
        (whole(none=True), [], False, "a whole number from 0 or none"),
        (number(least=-1), -2, False, "a whole number from -1, not -2"),
        (seconds(), "nan", True, "a number of seconds above 0, not 'nan'"),
        (seconds(), True, False, "not True"),
        (switch(), "maybe", True, "true or false, not 'maybe'"),
        (text(), "", True, "text that is not empty, not ''"),
        (choice({"all": "all", "1": 1}), True, False, "one of all, 1, not True"),
        (choice({"all": "all", "1": 1}), ["all"], False, r"not \['all'\]"),
        (FUNCTION, "len", True, "cannot be set in an address: it is a function"),
        (FUNCTION, "len", False, "a function, not 'len'"),
        (any_of(text(), FUNCTION), 5, False, "text that is not empty or a function, not 5"),
    ],
)
def test_what_is_no_value_is_refused_with_what_would_be(
    kind: OptionType, given: object, is_text: bool, said: str
) -> None:
    """Nothing is guessed: a number in quotes is text, and True is no number."""
    with pytest.raises(ValueError, match=said):
        kind.read("it", given, is_text=is_text)


def test_a_secret_is_not_told() -> None:
    """Of an option that may hold one only the type is shown."""
    with pytest.raises(ValueError, match=r"not a list$"):
        text().read("sasl_plain_password", ["planted"], is_text=False)


def test_a_secret_is_hidden_from_here_on_and_a_function_is_asked_later() -> None:
    """So that nothing that prints options can tell it."""
    read = secret().read("password", "planted", is_text=False)

    assert isinstance(read, Secret)
    assert read.reveal() == "planted"
    assert secret().read("password", only, is_text=False) is only


def test_a_sequence_of_one_stands_for_what_is_in_it() -> None:
    """Text is no sequence here."""
    assert [only(["x"]), only(("x",)), only("x"), only(["x", "y"])] == ["x", "x", "x", ["x", "y"]]


def test_what_cannot_be_given_here_says_why() -> None:
    """A value may be right and still have to be refused."""

    def missing(value: object) -> object:
        raise ValueError(f"{value} needs a library")

    with pytest.raises(ValueError, match="zstd needs a library"):
        choice({"zstd": "zstd"}, missing).read("it", "zstd", is_text=True)
