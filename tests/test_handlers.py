"""How a function is called, decided when it is decorated; and what cannot be served."""

import asyncio
import functools
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Optional

import pytest
from aiokafka import ConsumerRecord
from tests.simulated import run

from partita import Context, DecodeError, Message, Receipt, RouteError
from partita.actors.threads import ThreadPool
from partita.backends.memory.records import MemoryReader, MemoryRecord
from partita.calls import First, bind_first, bind_handler
from partita.core.ports import Outgoing
from partita.handlers import Handler, plan_handler
from partita.message import Scope

HERE = re.escape(__file__)
RECORD = MemoryRecord("orders", 3, 17, 1000, b"k", b"v", (("h", b"1"),))
NULL = MemoryRecord("orders", 3, 18, 1000, b"k", None, ())


async def publish(topic: str, message: Outgoing) -> Receipt:
    """Publish nowhere."""
    return Receipt(topic, 0, 0, 0)


def outcome_of(function: Handler, record: MemoryRecord = RECORD, *, threads: int = 0) -> object:
    """What *function* returns for *record* on its second attempt."""

    async def scenario() -> object:
        pool = ThreadPool("handler", threads) if threads else None
        scope = Scope("billing", "state", publish)
        if pool is not None:
            await pool.start()
        try:
            return await bind_handler(plan_handler(function), MemoryReader(), scope, pool)(record, 2)
        finally:
            if pool is not None:
                await pool.close()

    return asyncio.run(scenario())


def test_each_annotation_gets_what_it_says() -> None:
    """By type and not by name or place."""

    async def handle(context: Context[str], a: bytes, b: Message, c: MemoryRecord, d: bytes | None) -> object:
        return context.attempt, a, b.raw, c, d

    assert outcome_of(handle) == (2, b"v", RECORD, RECORD, b"v")


def test_a_handler_may_want_nothing() -> None:
    """A message can be no more than a bell."""

    async def handle() -> str:
        return "rang"

    assert outcome_of(handle) == "rang"


def test_keyword_parameters_are_given_by_name() -> None:
    """Both kinds in one signature."""

    async def handle(value: bytes, *, context: Context, message: Message) -> object:
        return value, context.offset, message.offset

    assert outcome_of(handle) == (b"v", 17, 17)


def test_a_parameter_of_the_users_own_keeps_its_default() -> None:
    """And what comes after it is not given in its place."""

    async def handle(
        value: bytes,
        limit: int = 10,
        context: Context | int = 0,
        message: Message = None,  # type: ignore[assignment]
    ) -> object:
        return value, limit, context, message.offset

    assert outcome_of(handle) == (b"v", 10, 0, 17)


def test_refuses_what_can_only_be_given_by_place_after_a_default() -> None:
    """Nothing can be put before it without overriding the default."""

    async def handle(limit: int = 10, context: Context = None, /) -> None:  # type: ignore[assignment]
        ...

    with pytest.raises(RouteError, match="put parameter 'context' before those that keep their defaults"):
        plan_handler(handle)


@pytest.mark.parametrize("hint", [bytes | None, None | bytes, Optional[bytes], Annotated[bytes | None, "x"]])  # noqa: UP045
def test_every_spelling_of_an_optional_value_takes_a_null_value(hint: object) -> None:
    """Null is not empty, and a handler that says so gets it."""

    async def handle(value: object) -> object:
        return value

    handle.__annotations__["value"] = hint

    assert outcome_of(handle, NULL) is None
    assert outcome_of(handle) == b"v"


def test_a_null_value_is_a_decode_error_for_bytes() -> None:
    """The text says what to annotate."""

    async def handle(value: bytes) -> None: ...

    with pytest.raises(
        DecodeError, match=r"handle wants bytes, .* annotate the parameter with bytes \| None"
    ):
        outcome_of(handle, NULL)


@pytest.mark.parametrize(
    "hint",
    [
        int,
        str,
        tuple[bytes, None],
        dict[bytes, None],
        Callable[[int], bytes],
        bytes | str,
        "Context | None",
        list[bytes],
    ],
)
def test_refuses_what_no_codec_decodes(hint: object) -> None:
    """The error names function, file, line, parameter, and what can be asked for."""

    async def handle(value: object) -> None: ...

    handle.__annotations__["value"] = hint
    told = (
        rf"handle \({HERE}:\d+\): parameter 'value' wants .*; annotate it with bytes, bytes \| None, Message"
    )

    with pytest.raises(RouteError, match=told):
        plan_handler(handle)


@pytest.mark.parametrize("hint", ["Nowhere", "1 +", "Message.nothing", "1/0", 5])
def test_refuses_annotations_that_cannot_be_read(hint: object) -> None:
    """Whatever evaluating them raises; the error is ours and says where."""

    async def handle(value: object) -> None: ...

    handle.__annotations__["value"] = hint

    with pytest.raises(RouteError, match=rf"handle \({HERE}:\d+\): "):
        plan_handler(handle)


def test_refuses_a_parameter_without_annotation() -> None:
    """It could be anything."""

    async def handle(value) -> None: ...  # type: ignore[no-untyped-def]

    with pytest.raises(RouteError, match="parameter 'value' has no annotation"):
        plan_handler(handle)


@pytest.mark.parametrize("name", ["args", "kwargs"])
def test_refuses_parameters_without_a_number(name: str) -> None:
    """They cannot be filled."""

    async def args(*args: bytes) -> None: ...
    async def kwargs(**kwargs: bytes) -> None: ...

    functions: dict[str, Handler] = {"args": args, "kwargs": kwargs}

    with pytest.raises(RouteError, match=rf"name each parameter; \*{name} cannot be filled"):
        plan_handler(functions[name])


def test_refuses_generators() -> None:
    """Their body would never run."""

    async def asynchronous(value: bytes) -> AsyncIterator[bytes]:
        yield value

    def plain(value: bytes):  # type: ignore[no-untyped-def]
        yield value

    for function in (asynchronous, plain):
        with pytest.raises(RouteError, match="must not yield"):
            plan_handler(function)


def test_refuses_what_is_no_function() -> None:
    """With as much of a place as there is."""
    with pytest.raises(RouteError, match=r"int \(defined outside Python\): a handler is a function, not int"):
        plan_handler(5)  # type: ignore[arg-type]
    with pytest.raises(
        RouteError, match=r"len \(defined outside Python\): parameter 'obj' has no annotation"
    ):
        plan_handler(len)


def test_partials_and_callable_objects_are_handlers() -> None:
    """What they have bound is theirs."""

    class Charge:
        async def __call__(self, value: bytes) -> bytes:
            return b"object " + value

    async def charge(prefix: bytes, value: bytes) -> bytes:
        return prefix + value

    assert outcome_of(Charge()) == b"object v"
    assert outcome_of(functools.partial(charge, b"bound ")) == b"bound v"


def test_a_plain_function_runs_in_a_thread() -> None:
    """Not in the one that has the loop."""

    def handle(value: bytes) -> object:
        return value, threading.current_thread() is threading.main_thread()

    assert outcome_of(handle, threads=1) == (b"v", False)
    assert outcome_of(handle) == (b"v", True)


@pytest.mark.parametrize("threads", [0, 1])
def test_an_async_function_behind_a_plain_decorator_is_awaited(threads: int) -> None:
    """It looks like a plain function; its message must not count as handled before it ran."""

    async def charge(value: bytes) -> bytes:
        return b"charged " + value

    @functools.wraps(charge)
    def decorated(value: bytes) -> object:
        return charge(value)

    assert outcome_of(decorated, threads=threads) == b"charged v"


def test_refuses_another_clients_record() -> None:
    """On this bus it could never come; the error says what runs anywhere."""

    async def handle(record: object) -> None: ...

    handle.__annotations__["record"] = ConsumerRecord

    with pytest.raises(RouteError, match=r"wants aiokafka.structs.ConsumerRecord, .* ask for Message"):
        outcome_of(handle)


def test_a_message_and_a_context_say_where_they_are() -> None:
    """The same names on every backend, and no payload when printed."""
    message = Message(RECORD, MemoryReader())
    context = Context[str](RECORD, MemoryReader(), Scope("billing", "state", publish), 2)

    assert (message.topic, message.partition, message.offset, message.timestamp) == ("orders", 3, 17, 1000)
    assert (message.key, message.value, message.headers) == (b"k", b"v", (("h", b"1"),))
    assert repr(message) == "<Message orders/3@17>"
    assert (context.topic, context.partition, context.offset, context.key) == ("orders", 3, 17, b"k")
    assert (context.group, context.state, context.attempt) == ("billing", "state", 2)
    assert context.log.extra == {
        "topic": "orders",
        "partition": 3,
        "offset": 17,
        "group": "billing",
        "attempt": 2,
    }


def test_a_context_publishes_with_everything_that_was_said() -> None:
    """On the bus that the message came from."""
    sent = list[tuple[str, Outgoing]]()

    async def keep(topic: str, message: Outgoing) -> Receipt:
        sent.append((topic, message))
        return Receipt(topic, 0, 0, 0)

    async def scenario() -> None:
        context = Context[str](RECORD, MemoryReader(), Scope("billing", None, keep), 1)
        await context.publish("bills", b"v", key=b"k", headers=[("h", b"1")], partition=2)

    run(scenario())

    assert [("bills", Outgoing(b"v", key=b"k", headers=[("h", b"1")], partition=2))] == sent


def first_of(function: Handler) -> First:
    """The first call of *function*."""
    plan, reader = plan_handler(function), MemoryReader()
    call = bind_handler(plan, reader, Scope("billing", "state", publish), None)
    return bind_first(plan, reader, call)


def test_a_handler_that_wants_the_clients_record_is_called_without_a_frame_of_ours() -> None:
    """The thin path: the pump awaits what the user wrote."""

    async def handle(record: MemoryRecord) -> None: ...

    assert first_of(handle) is handle


def test_the_first_call_gives_a_handler_what_it_wants() -> None:
    """However few frames there are, bytes stay bytes, and attempts count from one."""

    async def value(value: bytes) -> bytes:
        return value

    async def named(*, value: bytes) -> bytes:
        return value

    async def both(value: bytes, context: Context) -> tuple[bytes, int]:
        return value, context.attempt

    assert asyncio.run(_awaited(first_of(value)(RECORD))) == b"v"
    assert asyncio.run(_awaited(first_of(named)(RECORD))) == b"v"
    assert asyncio.run(_awaited(first_of(both)(RECORD))) == (b"v", 1)


def test_the_first_call_refuses_a_null_value_for_bytes() -> None:
    """As every other call does."""

    async def handle(value: bytes) -> None: ...

    with pytest.raises(DecodeError, match=r"bytes \| None"):
        first_of(handle)(NULL)


async def _awaited(result: Awaitable[object]) -> object:
    return await result
