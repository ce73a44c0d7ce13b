"""
A handler's call: from the client's record to the handler's own coroutine.

What is made here once per route is a plain function of the record and the attempt, so that nothing stands
between the pump and an `async def`. A plain `def` is called in a pool of threads, or on the loop.
"""

import inspect
from collections.abc import Awaitable, Callable
from typing import cast

from partita.actors.processes import ProcessPool
from partita.actors.threads import ThreadPool
from partita.core.errors import DecodeError, RouteError
from partita.core.frames import message_fields, parcel
from partita.core.ports import RecordReader, WaryReader
from partita.core.records import flaw_of
from partita.handlers import Call, Handler, HandlerPlan, Parameter, Want
from partita.message import Context, Message, Scope

First = Callable[[object], Awaitable[object]]
Argument = Callable[[object, int], object]


def bind_handler(
    plan: HandlerPlan, reader: RecordReader, scope: Scope, pool: ThreadPool | ProcessPool | None
) -> Call:
    """
    The call of a handler on one backend.

    Args:
        plan: what the handler wants.
        reader: reads the backend's records.
        scope: what its context shares.
        pool: where it runs; None: on the event loop.

    Raises:
        RouteError: the handler wants another client's record.
    """
    if isinstance(pool, ProcessPool):
        return _in_process(plan, reader, pool)
    function = awaitable_of(plan, pool)
    arguments = [_argument(each, plan, reader, scope) for each in plan.parameters]
    keywords = [each.name for each in plan.parameters if each.keyword]
    if not arguments:
        return lambda record, attempt: function()
    if len(arguments) == 1 and not keywords:
        only = arguments[0]
        return lambda record, attempt: function(only(record, attempt))
    split = len(arguments) - len(keywords)

    def call(record: object, attempt: int) -> Awaitable[object]:
        values = [argument(record, attempt) for argument in arguments]
        return function(*values[:split], **dict(zip(keywords, values[split:], strict=True)))

    return call


def sound(call: Call, reader: RecordReader) -> Call:
    """A call that fails, before anything of the user's runs, for what arrived and is no record."""
    if not isinstance(reader, WaryReader):
        return call
    flaw_of = reader.flaw

    def check(record: object, attempt: int) -> Awaitable[object]:
        flaw = flaw_of(record)
        if flaw is not None:
            raise flaw.error
        return call(record, attempt)

    return check


def bind_first(plan: HandlerPlan, reader: RecordReader, call: Call) -> First:
    """
    The first call of a handler: with the fewest frames between the pump and the handler, none where the
    client's record is all that it wants.

    Args:
        plan: what the handler wants.
        reader: reads the backend's records.
        call: what `bind_handler` made of it, and `sound` of that.
    """
    wants = [each.want for each in plan.parameters if not each.keyword]
    if not plan.blocking and len(wants) == len(plan.parameters) == 1:
        function = awaitable_of(plan, None)
        if wants[0] is Want.RECORD:
            return _checked(function, reader)
        if wants[0] is Want.VALUE:
            return _valued(plan, function, reader)
        codec = plan.parameters[0].codec
        if wants[0] is Want.DECODED and codec is not None and not codec.nullable:
            only = _decoded(plan.parameters[0], plan, reader)
            return lambda record: function(only(record, 1))
    return lambda record: call(record, 1)


def _checked(function: First, reader: RecordReader) -> First:
    if not isinstance(reader, WaryReader):
        return function
    flaw_of = reader.flaw

    def call(record: object) -> Awaitable[object]:
        flaw = flaw_of(record)
        if flaw is not None:
            raise flaw.error
        return function(record)

    return call


def _valued(plan: HandlerPlan, function: First, reader: RecordReader) -> First:
    read = reader.value

    def call(record: object) -> Awaitable[object]:
        payload = read(record)
        if payload is None:
            raise _null(plan, reader, record)
        return function(payload)

    return call


def awaitable_of(plan: HandlerPlan, pool: ThreadPool | None) -> Callable[..., Awaitable[object]]:
    """The handler as a function that returns an awaitable, wherever it runs."""
    if pool is not None:
        return _in_thread(plan.function, pool)
    if plan.blocking:
        return _on_loop(plan.function)
    return cast("Callable[..., Awaitable[object]]", plan.function)  # an `async def`, as the plan found


def _on_loop(function: Handler) -> Callable[..., Awaitable[object]]:
    async def call(*args: object, **kwargs: object) -> object:
        result = function(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    return call


def _in_thread(function: Handler, pool: ThreadPool) -> Callable[..., Awaitable[object]]:
    async def call(*args: object, **kwargs: object) -> object:
        result = await pool.call(function, args, kwargs)
        # An `async def` behind a plain decorator looks like a `def`; what it was called for is still to do.
        return await result if inspect.isawaitable(result) else result

    return call


def _in_process(plan: HandlerPlan, reader: RecordReader, pool: ProcessPool) -> Call:
    """Its message is packed here; what it makes of that is for `partita.child` to say."""
    if any(each.want is Want.MESSAGE for each in plan.parameters):
        return lambda record, attempt: pool.call(_whole(record, reader))
    return lambda record, attempt: pool.call(parcel([reader.value(record)]))


def _whole(record: object, reader: RecordReader) -> bytes:
    place = reader.topic(record), reader.partition(record), reader.offset(record), reader.timestamp(record)
    return parcel(message_fields(place, reader.key(record), reader.value(record), reader.headers(record)))


def _argument(parameter: Parameter, plan: HandlerPlan, reader: RecordReader, scope: Scope) -> Argument:
    match parameter.want:
        case Want.VALUE:
            return _value(plan, reader)
        case Want.DECODED:
            return _decoded(parameter, plan, reader)
        case Want.NULLABLE_VALUE:
            return lambda record, attempt: reader.value(record)
        case Want.MESSAGE:
            return lambda record, attempt: Message(record, reader)
        case Want.CONTEXT:
            return lambda record, attempt: Context(record, reader, scope, attempt)
        case Want.RECORD:
            if parameter.record_type != reader.record_type:
                raise RouteError(
                    f"{plan.where}: parameter {parameter.name!r} wants {parameter.record_type}, but "
                    f"this bus hands out {reader.record_type}; ask for Message to run on any bus"
                )
            return lambda record, attempt: record
        case Want.BATCH:
            raise AssertionError("a handler of single messages that wants a batch was refused before")


def _value(plan: HandlerPlan, reader: RecordReader) -> Argument:
    read = reader.value

    def value(record: object, attempt: int) -> bytes:
        payload = read(record)
        if payload is None:
            raise _null(plan, reader, record)
        return payload

    return value


def _decoded(parameter: Parameter, plan: HandlerPlan, reader: RecordReader) -> Argument:
    codec, read = parameter.codec, reader.value
    assert codec is not None  # as the plan found
    decode, nullable = codec.decode, codec.nullable

    def decoded(record: object, attempt: int) -> object:
        payload = read(record)
        if payload is not None:
            return decode(payload)
        if nullable:
            return None
        raise _null(plan, reader, record, codec.name)

    return decoded


def _null(plan: HandlerPlan, reader: RecordReader, record: object, wanted: str = "bytes") -> DecodeError:
    flaw = flaw_of(reader, record)
    if flaw is not None:
        return flaw.error
    return DecodeError(
        f"{plan.name} wants {wanted}, and this message has a null value; annotate the "
        f"parameter with {wanted} | None to take those too"
    )
