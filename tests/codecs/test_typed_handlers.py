"""Handlers of values: decoded for the parameter, encoded for a topic, and refused where they are written."""

import asyncio
import re
from dataclasses import dataclass
from typing import Literal

import attrs
import msgspec
import pydantic
import pytest

from partita import Context, DecodeError, Message, Outgoing, Retry, RouteError, Router, open_bus
from partita.testing import Harness

HERE = re.escape(__file__)


@attrs.frozen
class Order:
    """In attrs."""

    number: int


@dataclass(frozen=True)
class Bill:
    """In a dataclass."""

    order: int


class Refund(msgspec.Struct):
    """msgspec's."""

    number: int


class Note(pydantic.BaseModel):
    """pydantic's."""

    text: str


@attrs.frozen
class Unreadable:
    """With a field that has no JSON form."""

    number: complex


def shorten(order: Order) -> Bill:
    """A handler that another process can import."""
    return Bill(order.number)


def test_each_handler_gets_what_its_parameter_says() -> None:
    """Each kind of class, beside a message and a context, by place and by name."""
    router, seen = Router(), list[object]()

    @router.handler("orders")
    async def order(order: Order) -> None:
        seen.append(order)

    @router.handler("bills")
    async def bill(message: Message, context: Context, *, bill: Bill) -> None:
        seen.append((message.value, context.attempt, bill))

    @router.handler("refunds")
    def refund(refund: Refund) -> None:
        seen.append(refund.number)

    @router.handler("notes")
    async def note(note: Note) -> None:
        seen.append(note)

    async def scenario() -> None:
        async with open_bus() as bus:
            for topic, value in (("orders", Order(1)), ("bills", Bill(2)), ("refunds", Refund(3))):
                await bus.publish(topic, value)
                await bus.run(router, burst=True)
            await bus.send("notes", Note(text="x"))
            await bus.run(router, burst=True)

    asyncio.run(scenario())

    assert seen == [Order(1), (b'{"order":2}', 1, Bill(2)), 3, Note(text="x")]


def test_a_payload_that_does_not_fit_is_parked_at_once() -> None:
    """It would not fit the next time either, so no attempt is spent on it."""
    router = Router(retry=Retry(attempts=5))

    @router.handler("orders")
    async def handle(order: Order) -> None: ...

    async def scenario() -> list[str]:
        async with Harness(router) as harness:
            await harness.feed("orders", b'{"number": "s3cret"}', None, b'{"number": 1}', partition=0)
            await harness.run()
            return [f"{each.status} {each.attempts} {each.error}" for each in harness.outcomes]

    first, *_ = asyncio.run(scenario())

    assert first == "parked 1 DecodeError: the payload is no Order: number is not a whole number"


def test_a_null_value_is_none_only_where_the_parameter_says_so() -> None:
    """`Order | None` takes a tombstone; `Order` does not."""
    router, seen = Router(order="none"), list[object]()

    @router.handler("orders")
    async def maybe(order: Order | None) -> None:
        seen.append(order)

    @router.handler("others")
    async def surely(order: Order) -> None:
        seen.append(order)

    async def scenario() -> list[str]:
        async with Harness(router) as harness:
            await harness.feed("orders", None)
            await harness.feed("others", None)
            summary = await harness.run()
            return [each.error for each in summary.parked]

    errors = asyncio.run(scenario())

    assert seen == [None]
    assert len(errors) == 1
    assert errors[0].startswith("DecodeError:")
    assert (
        "wants Order, and this message has a null value; annotate the parameter with Order | None"
        in errors[0]
    )


@pytest.mark.parametrize("run", ["inline", "thread", "process"])
def test_what_a_handler_returns_is_encoded_wherever_it_ran(
    run: Literal["inline", "thread", "process"],
) -> None:
    """A value of a class goes to the topic of `to=` as its JSON, from a thread and another process too."""
    router, bills = Router(), list[object]()

    async def inline(order: Order) -> Bill:
        return Bill(order.number)

    router.handler("orders", to="bills", run=run)(inline if run == "inline" else shorten)

    @router.handler("bills")
    async def book(bill: Bill) -> None:
        bills.append(bill)

    async def scenario() -> None:
        async with open_bus() as bus:
            await bus.publish("orders", Order(7))
            await bus.run(router, burst=True)

    asyncio.run(scenario())

    assert bills == [Bill(7)]


def test_a_handler_publishes_values_and_values_with_keys() -> None:
    """By its context, as an `Outgoing`, and in a batch of both."""
    router = Router()

    @router.handler("orders", to="third")
    async def handle(order: Order, context: Context) -> Outgoing:
        await context.publish("first", Bill(order.number), key=b"k")
        return Outgoing(Bill(3), key=b"3")  # type: ignore[arg-type]

    async def scenario() -> list[tuple[str, bytes | None, bytes | None]]:
        async with Harness(router) as harness:
            await harness.bus.publish_batch("orders", [Order(1), Outgoing(Order(2), key=b"2")])  # type: ignore[arg-type]
            await harness.run()
            topics = ("first", "third")
            return sorted((each.topic, each.key, each.value) for t in topics for each in harness.published(t))

    published = asyncio.run(scenario())

    assert published == [
        ("first", b"k", b'{"order":1}'),
        ("first", b"k", b'{"order":2}'),
        ("third", b"3", b'{"order":3}'),
        ("third", b"3", b'{"order":3}'),
    ]


@pytest.mark.parametrize("value", ["text", {"a": 1}, Unreadable(1j), object()])
def test_a_value_without_a_codec_is_refused_and_nothing_is_sent(value: object) -> None:
    """By publish, send and publish_batch alike, with the classes that have one."""

    async def scenario() -> int:
        async with open_bus() as bus:
            for attempt in (bus.publish("a", value), bus.publish_batch("a", [b"x", value])):
                with pytest.raises(TypeError):
                    await attempt
            with pytest.raises(TypeError):
                bus.send("a", value)
            return sum((await bus.list_topics()).values())

    assert asyncio.run(scenario()) == 0


def test_a_class_that_cannot_be_read_is_refused_where_the_handler_stands() -> None:
    """With function, file and line, and the field that is in the way."""
    router = Router()

    with pytest.raises(RouteError, match=rf"{HERE}:\d+\): parameter 'what': field 'number' of Unreadable"):

        @router.handler("orders")
        async def handle(what: Unreadable) -> None: ...


def test_a_parameter_with_a_default_keeps_it() -> None:
    """Only what has to be filled is decoded."""
    router, seen = Router(), list[object]()

    @router.handler("orders")
    async def handle(value: bytes, order: Order = Order(0)) -> None:
        seen.append((value, order))

    async def scenario() -> None:
        async with Harness(router) as harness:
            await harness.feed("orders", b"x")
            await harness.run()

    asyncio.run(scenario())

    assert seen == [(b"x", Order(0))]


def test_a_decode_error_is_a_class_that_users_can_name() -> None:
    """A middleware may tell it from the handler's own errors."""
    assert issubclass(DecodeError, ValueError)
