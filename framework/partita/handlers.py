"""
How a function is called, decided once when it is decorated.

A handler's annotations say what it wants. What comes out is a plan, and later a `Call`: a plain function
of the client's record and the attempt that returns the handler's own coroutine, so that nothing stands
between the pump and the handler.
"""

import inspect
import typing
from collections.abc import Awaitable, Callable
from enum import Enum
from functools import partial

import anyio.to_thread
import attrs
from anyio import CapacityLimiter

from partita.core.errors import DecodeError, RouteError
from partita.core.ports import RecordReader
from partita.message import Context, Message, Scope

Call = Callable[[object, int], Awaitable[object]]
Argument = Callable[[object, int], object]
Handler = Callable[..., object]

RECORD_TYPES = frozenset(
    {
        "aiokafka.structs.ConsumerRecord",
        "nats.aio.msg.Msg",
        "partita.backends.memory.records.MemoryRecord",
    }
)


class Want(Enum):
    """What one parameter of a handler is given."""

    VALUE = "bytes"
    NULLABLE_VALUE = "bytes | None"
    MESSAGE = "Message"
    CONTEXT = "Context"
    RECORD = "the client's record"


@attrs.frozen(eq=False)
class Parameter:
    """One parameter: its name, what it is given, and for a record which client's."""

    name: str
    want: Want
    keyword: bool
    record_type: str = ""


@attrs.frozen(eq=False)
class HandlerPlan:
    """
    How a handler is called.

    Args:
        function: the handler as it was written.
        name: its qualified name.
        where: name, file and line, for errors.
        blocking: it is a plain `def`, so it runs in a thread.
        parameters: what it is given, in order.
    """

    function: Handler
    name: str
    where: str
    blocking: bool
    parameters: tuple[Parameter, ...]


def plan_handler(function: Handler) -> HandlerPlan:
    """
    Read the signature of *function*.

    Raises:
        RouteError: it cannot be served; the text names function, file and line.
    """
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    where = f"{name} ({place_of(function)})"
    if not callable(function):
        raise RouteError(f"{where}: a handler is a function, not {type(function).__name__}")
    target = _unwrapped(function)
    if inspect.isasyncgenfunction(target) or inspect.isgeneratorfunction(target):
        raise RouteError(f"{where}: a handler returns or awaits; it must not yield")
    signature, hints = _signature(function, target, where)
    parameters = _parameters(signature, hints, where)
    blocking = not inspect.iscoroutinefunction(target)
    return HandlerPlan(function, name, where, blocking, parameters)


def place_of(function: object) -> str:
    """File and line of a function, as a traceback would give them."""
    target = inspect.unwrap(_unwrapped(function)) if callable(function) else function
    code = getattr(target, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else "defined outside Python"


def _unwrapped(function: object) -> Callable[..., object]:
    """The function behind partials, and the `__call__` of an object."""
    while isinstance(function, partial):
        function = function.func
    if not inspect.isroutine(function) and not inspect.isclass(function):
        function = getattr(function, "__call__", function)  # noqa: B004
    return typing.cast("Callable[..., object]", function)  # callable was checked by the caller


def _signature(
    function: Handler, target: Callable[..., object], where: str
) -> tuple[inspect.Signature, dict[str, object]]:
    try:
        signature = inspect.signature(function)
        hints = dict(typing.get_type_hints(inspect.unwrap(target)))
    # Annotations are the user's own expressions, evaluated here: they may raise anything.
    except Exception as error:
        raise RouteError(
            f"{where}: its annotations cannot be read ({error}); every name in them must be "
            "importable in the module that defines it"
        ) from error
    return signature, hints


def _parameters(signature: inspect.Signature, hints: dict[str, object], where: str) -> tuple[Parameter, ...]:
    planned: list[Parameter] = []
    passed_over = False
    for each in signature.parameters.values():
        found = _parameter(each, hints.get(each.name, each.annotation), where)
        if found is None:
            passed_over = True
        elif passed_over and each.kind is each.POSITIONAL_ONLY:
            raise RouteError(f"{where}: put parameter {each.name!r} before those that keep their defaults")
        else:
            # What comes after a default that is kept can only be given by name.
            planned.append(attrs.evolve(found, keyword=found.keyword or passed_over))
    return tuple(planned)


def _parameter(parameter: inspect.Parameter, hint: object, where: str) -> Parameter | None:
    """What one parameter is given; None when it keeps its own default."""
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise RouteError(f"{where}: name each parameter; *{parameter.name} cannot be filled")
    found = _want(hint)
    keyword = parameter.kind is parameter.KEYWORD_ONLY
    if found is not None:
        return Parameter(parameter.name, found[0], keyword, found[1])
    if parameter.default is not parameter.empty:
        return None
    said = (
        "has no annotation"
        if hint is parameter.empty
        else f"wants {getattr(hint, '__qualname__', hint)}, which no codec decodes"
    )
    raise RouteError(
        f"{where}: parameter {parameter.name!r} {said}; annotate it with bytes, bytes | None, "
        "Message, Context or the client's record type"
    )


def _want(hint: object) -> tuple[Want, str] | None:
    plain = {bytes: Want.VALUE, Message: Want.MESSAGE, Context: Want.CONTEXT}
    if hint == bytes | None:
        return Want.NULLABLE_VALUE, ""
    # Context[Pool] is a Context, and aiokafka's ConsumerRecord[bytes, bytes] a ConsumerRecord.
    base = typing.get_origin(hint) or hint
    if inspect.isclass(base) and base in plain:
        return plain[base], ""
    dotted = f"{getattr(base, '__module__', '')}.{getattr(base, '__qualname__', '')}"
    return (Want.RECORD, dotted) if dotted in RECORD_TYPES else None


def bind_handler(
    plan: HandlerPlan, reader: RecordReader, scope: Scope, limiter: CapacityLimiter | None
) -> Call:
    """
    The call of a handler on one backend.

    Args:
        plan: what the handler wants.
        reader: reads the backend's records.
        scope: what its context shares.
        limiter: for a handler that runs in threads, how many at once; None: it runs inline.

    Raises:
        RouteError: the handler wants another client's record.
    """
    function = _awaitable(plan, limiter)
    arguments = [_argument(each, plan, reader, scope) for each in plan.parameters]
    keywords = [each.name for each in plan.parameters if each.keyword]
    if not arguments:
        return lambda record, attempt: function()
    if len(arguments) == 1 and not keywords:
        if plan.parameters[0].want is Want.RECORD:
            return lambda record, attempt: function(record)
        only = arguments[0]
        return lambda record, attempt: function(only(record, attempt))
    split = len(arguments) - len(keywords)

    def call(record: object, attempt: int) -> Awaitable[object]:
        values = [argument(record, attempt) for argument in arguments]
        return function(*values[:split], **dict(zip(keywords, values[split:], strict=True)))

    return call


def _awaitable(plan: HandlerPlan, limiter: CapacityLimiter | None) -> Callable[..., Awaitable[object]]:
    if limiter is not None:
        return _in_thread(plan.function, limiter)
    return (
        _on_loop(plan.function)
        if plan.blocking
        else typing.cast("Callable[..., Awaitable[object]]", plan.function)
    )  # an `async def`, as the plan found


def _on_loop(function: Handler) -> Callable[..., Awaitable[object]]:
    async def call(*args: object, **kwargs: object) -> object:
        result = function(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    return call


def _in_thread(function: Handler, limiter: CapacityLimiter) -> Callable[..., Awaitable[object]]:
    async def call(*args: object, **kwargs: object) -> object:
        # Abandoned on cancel: a thread cannot be stopped, and a drain must not wait for one that hangs.
        result = await anyio.to_thread.run_sync(
            partial(function, *args, **kwargs), limiter=limiter, abandon_on_cancel=True
        )
        # An `async def` behind a plain decorator looks like a `def`; what it was called for is still to do.
        return await result if inspect.isawaitable(result) else result

    return call


def _argument(parameter: Parameter, plan: HandlerPlan, reader: RecordReader, scope: Scope) -> Argument:
    match parameter.want:
        case Want.VALUE:
            return _value(plan, reader)
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


def _value(plan: HandlerPlan, reader: RecordReader) -> Argument:
    read = reader.value

    def value(record: object, attempt: int) -> bytes:
        payload = read(record)
        if payload is None:
            raise DecodeError(
                f"{plan.name} wants bytes, and this message has a null value; annotate the "
                "parameter with bytes | None to take those too"
            )
        return payload

    return value
