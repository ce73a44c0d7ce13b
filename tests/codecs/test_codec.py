"""Codecs: values of a user's classes to payloads and back, and payloads that do not fit."""

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Literal
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partita import DecodeError
from partita.codecs.codec import Codec, codec_of, encode, payload_of

SECRET = "s3cret"


class Colour(enum.Enum):
    """Of a paint."""

    RED = "red"
    BLUE = "blue"


@attrs.frozen
class Item:
    """In attrs."""

    name: str
    count: int
    price: Decimal = Decimal("1.5")
    _note: str | None = attrs.field(default=None, alias="note")


@dataclass(frozen=True)
class Order:
    """In dataclasses, with all that a field may be."""

    id: UUID
    items: list[Item]
    paid: bool
    weight: float
    at: datetime
    on: date = date(2020, 1, 1)
    hour: time = time(12)
    colour: Colour = Colour.RED
    blob: bytes = b"\x00\xff"
    tags: frozenset[str] = frozenset()
    pair: tuple[int, str] = (1, "a")
    row: tuple[int, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    state: Literal["new", 2] = "new"
    either: int | str | None = None
    names: Sequence[str] = field(default_factory=list)
    anything: object = None
    made: str = field(default="here", init=False)


@attrs.define
class Tree:
    """A class with itself in a field."""

    value: int
    branches: "list[Tree]" = attrs.field(factory=list)


class Struct(msgspec.Struct):
    """msgspec's."""

    name: str
    colour: Colour = Colour.RED


class Model(pydantic.BaseModel):
    """pydantic's."""

    name: str
    count: int = 1


ORDER = Order(
    UUID(int=7),
    [Item("a", 1), Item("b", 2, Decimal("0.1"), "x")],
    True,
    1.0,
    datetime(2026, 1, 2, tzinfo=UTC),
)


def codec(hint: object) -> Codec:
    """The codec that there is."""
    found = codec_of(hint)
    assert found is not None
    return found


def holder(hint: object) -> type:
    """A class with one field."""
    made = attrs.make_class("Holder", ["field"])
    made.__annotations__ = {"field": hint}
    return made


def payload(**fields: object) -> bytes:
    """JSON of an object."""
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    "value",
    [ORDER, Item("ä", 0), Tree(1, [Tree(2), Tree(3, [Tree(4)])]), Struct("a", Colour.BLUE), Model(name="a")],
)
def test_what_is_published_is_what_a_handler_gets(value: object) -> None:
    """A value of each kind of class comes back equal."""
    assert codec(type(value)).decode(encode(value)) == value


@given(
    st.builds(
        Item,
        st.text(),
        st.integers(),
        st.decimals(allow_nan=False, allow_infinity=False),
        st.none() | st.text(),
    )
)
def test_any_item_comes_back_equal(item: Item) -> None:
    """Whatever text and numbers are in it, surrogates left out, as they have no UTF-8."""
    assert codec(Item).decode(encode(item)) == item


def test_the_payload_is_compact_json_with_the_names_of_the_call() -> None:
    """A private attribute has the name that its class is called with, and text is UTF-8."""
    assert encode(Item("ä", 1, note="n")) == '{"name":"ä","count":1,"price":"1.5","note":"n"}'.encode()


def test_fields_that_the_class_does_not_have_are_passed_over() -> None:
    """A sender that is newer does not stop an older reader; what a class fills in itself is not taken."""
    assert codec(Item).decode(payload(name="a", count=1, colour="red")) == Item("a", 1)


def test_bytes_and_none_stay_as_they_are() -> None:
    """Only other values have a codec."""
    assert payload_of(b"x") == b"x"
    assert payload_of(None) is None
    assert payload_of(Item("a", 1)) == encode(Item("a", 1))


@pytest.mark.parametrize(
    ("cls", "given", "told"),
    [
        (Item, payload(count=1), "name is missing"),
        (Item, payload(name=1, count=1), "name is not text"),
        (Item, payload(name=SECRET, count="1"), "count is not a whole number"),
        (Item, payload(name=SECRET, count=True), "count is not a whole number"),
        (Item, payload(name=SECRET, count=1.0), "count is not a whole number"),
        (Item, payload(name=SECRET, count=1, price="x"), "price is no Decimal as text"),
        (Item, payload(name=SECRET, count=1, price=1), "price is no Decimal as text"),
        (Item, b"[]", "is no object"),
        (Item, b"", "it is not JSON (Expecting value: line 1 column 1 (char 0))"),
        (Item, b"\xc3(" + SECRET.encode(), "it is not UTF-8"),
        (Item, b'{"name": "s3cret", "count": NaN}', "has a number that JSON does not have: NaN"),
        (Item, b'{"count": ' + b"1" * 5000 + b"}", "it is not JSON (a number is too long)"),
        (Item, b"[" * 100_000, "it is nested too deeply"),
        (Tree, payload(value=1, branches=[{"value": "x"}]), "branches[0].value is not a whole number"),
        (Tree, payload(value=1, branches={}), "branches is no array"),
        (Struct, payload(name=1), ".name does not fit"),
        (Struct, payload(name="a", colour=SECRET), ".colour does not fit"),
        (Struct, SECRET.encode(), "it is not JSON of its shape"),
        (Model, payload(count=SECRET), "name (missing), count (int_parsing)"),
        (Model, SECRET.encode(), "it (json_invalid)"),
    ],
)
def test_a_payload_that_does_not_fit_is_told_by_place_and_not_by_content(
    cls: type, given: bytes, told: str
) -> None:
    """The error names the field and what it is not; nothing of the message is in it."""
    with pytest.raises(DecodeError) as caught:
        codec(cls).decode(given)

    assert str(caught.value) == f"the payload is no {cls.__qualname__}: {told.lstrip('.')}"
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("hint", "given"),
    [
        (bool, 1),
        (float, "1"),
        (float, 10**400),
        (type(None), 0),
        (UUID, "x"),
        (bytes, "x"),
        (datetime, "yesterday"),
        (Colour, "green"),
        (Literal["a", 1], True),
        (int | str, 1.5),
        (int | None, "x"),
        (tuple[int, str], [1]),
        (tuple[int, str], [1, 2]),
        (tuple[int, ...], [1, "x"]),
        (set[object], [[]]),
        (dict[str, int], {SECRET: "x"}),
        (dict[str, int], []),
        (list, 1),
    ],
)
def test_each_kind_of_field_refuses_what_it_is_not(hint: object, given: object) -> None:
    """No value is bent into another type, and no key of the message is named."""
    cls = holder(hint)

    with pytest.raises(DecodeError, match=r"the payload is no Holder: field") as caught:
        codec(cls).decode(json.dumps({"field": given}).encode())

    assert SECRET not in str(caught.value)


def test_numbers_of_an_enum_are_not_its_booleans() -> None:
    """True equals 1, and is none of an enum of numbers."""
    numbers = enum.Enum("numbers", {"ONE": 1})
    cls = holder(numbers)

    with pytest.raises(DecodeError, match="field is no numbers"):
        codec(cls).decode(b'{"field": true}')


def test_what_a_validator_says_about_the_payload_is_not_passed_on() -> None:
    """It may quote the value; its class is enough to find it."""

    @attrs.define
    class Checked:
        name: str = attrs.field(validator=attrs.validators.max_len(2))

    with pytest.raises(DecodeError) as caught:
        codec(Checked).decode(payload(name=SECRET))

    assert str(caught.value).endswith("is refused by " + Checked.__qualname__ + " (ValueError)")


@pytest.mark.parametrize("hint", [dict, list, str, int, None, list[Item], Item | Tree, Colour])
def test_only_classes_of_fields_have_a_codec(hint: object) -> None:
    """What is no such class, or one of several, has none."""
    assert codec_of(hint) is None


def test_or_none_takes_a_null_value() -> None:
    """`Item | None` is the codec of Item for messages that may have no value."""
    assert codec(Item | None).nullable
    assert not codec(Item).nullable


@pytest.mark.parametrize(
    ("hint", "told"),
    [
        (complex, "complex has no JSON form here"),
        (dict[int, str], "the keys of a JSON object are str"),
        (Item | Tree, "a union is of one type and None, or of str, int, float and bool"),
        (Struct, "Struct has no JSON form here"),
        ("Nowhere", "cannot be read"),
    ],
)
def test_a_field_without_a_json_form_is_refused_by_name(hint: object, told: str) -> None:
    """When the handler is decorated, and not with the first message."""
    cls = holder(hint)

    with pytest.raises(TypeError, match=told):
        codec_of(cls)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ({}, TypeError),
        ("text", TypeError),
        (7, TypeError),
        (bytearray(b"x"), TypeError),
        (attrs.make_class("Any", ["x"])(object()), TypeError),
        (holder(float)(float("nan")), ValueError),
    ],
)
def test_what_has_no_payload_is_refused_before_it_is_sent(value: object, error: type[Exception]) -> None:
    """Nothing is guessed: neither text nor a mapping is a payload."""
    with pytest.raises(error):
        payload_of(value)
