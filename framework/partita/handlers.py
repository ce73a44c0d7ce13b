"""
How a function is called, decided once when it is decorated.

A handler's annotations say what it wants. What comes out is a plan; `calls.py` makes a call of it.
"""

import inspect
import typing
from collections.abc import Awaitable, Callable
from enum import Enum
from functools import partial

import attrs

from partita.addresses import address_of
from partita.batch import Batch
from partita.codecs.codec import Codec, codec_of
from partita.core.errors import RouteError
from partita.message import Context, Message

Call = Callable[[object, int], Awaitable[object]]
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
    BATCH = "Batch"
    DECODED = "a type with a codec"


@attrs.frozen(eq=False)
class Parameter:
    """
    One parameter.

    Args:
        name: its name.
        want: what it is given.
        keyword: it is given by name.
        record_type: for a record, which client's.
        codec: for a type of the user's, what makes it of a payload.
    """

    name: str
    want: Want
    keyword: bool
    record_type: str = ""
    codec: Codec | None = None


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


def check_wants(plan: HandlerPlan, *, batch: bool) -> None:
    """
    Refuse a handler of single messages that wants a batch, and a batch handler that wants anything else.

    Raises:
        RouteError: the text says how to declare it.
    """
    wants = [each.want for each in plan.parameters]
    if not batch and Want.BATCH in wants:
        raise RouteError(f"{plan.where}: it wants a Batch; declare it with @router.batch_handler")
    if batch and (wants.count(Want.BATCH) != 1 or not {*wants} <= {Want.BATCH, Want.CONTEXT}):
        raise RouteError(f"{plan.where}: a batch handler takes one Batch, and a Context if it likes")


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
    try:
        codec = None if hint is parameter.empty else codec_of(hint)
    except TypeError as error:
        raise RouteError(f"{where}: parameter {parameter.name!r}: {error}") from None
    if codec is not None:
        return Parameter(parameter.name, Want.DECODED, keyword, codec=codec)
    said = (
        "has no annotation"
        if hint is parameter.empty
        else f"wants {getattr(hint, '__qualname__', hint)}, which no codec decodes"
    )
    raise RouteError(
        f"{where}: parameter {parameter.name!r} {said}; annotate it with bytes, bytes | None, Message, "
        "Context, the client's record type, or a class with a codec: attrs, dataclass, msgspec.Struct, "
        "pydantic.BaseModel"
    )


def _want(hint: object) -> tuple[Want, str] | None:
    plain = {bytes: Want.VALUE, Message: Want.MESSAGE, Context: Want.CONTEXT, Batch: Want.BATCH}
    if hint == bytes | None:
        return Want.NULLABLE_VALUE, ""
    # Context[Pool] is a Context, and aiokafka's ConsumerRecord[bytes, bytes] a ConsumerRecord.
    base = typing.get_origin(hint) or hint
    if inspect.isclass(base) and base in plain:
        return plain[base], ""
    dotted = f"{getattr(base, '__module__', '')}.{getattr(base, '__qualname__', '')}"
    return (Want.RECORD, dotted) if dotted in RECORD_TYPES else None


def check_run(plan: HandlerPlan, run: str | None) -> None:
    """
    Whether a handler can run where its route says.

    Raises:
        RouteError: it cannot, as far as can be told while its module is being imported.
    """
    if run not in ("thread", "process"):
        return
    if not plan.blocking:
        raise RouteError(f"{plan.where}: run={run!r} is for a plain def, this is async def")
    if run == "process":
        address_of(plan.function, plan.where)
        for each in plan.parameters:
            if each.want in (Want.CONTEXT, Want.RECORD):
                raise RouteError(
                    f"{plan.where}: parameter {each.name!r} wants {each.want.value}, which cannot go to the "
                    "other process that run='process' calls it in; ask for bytes, a class with a codec or "
                    "Message, and publish what it returns with to="
                )
