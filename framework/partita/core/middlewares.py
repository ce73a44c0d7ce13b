"""What can stand in the route option `middleware`, as far as it can be told before a message comes."""

import inspect
from collections.abc import Callable, Sequence


def middleware_problem(value: object) -> str | None:
    """What is wrong with a route's middlewares, in words; None when they can be used."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return f"middleware={value!r}: give a list of async functions (message, call_next)"
    for each in value:
        if inspect.isclass(each):
            return (
                f"middleware: {each.__qualname__} is a class; give an object of it, {each.__qualname__}(...)"
            )
        if not callable(each):
            return f"middleware: {each!r} is no async function (message, call_next)"
        if problem := _signature_problem(each):
            return f"middleware: {getattr(each, '__qualname__', type(each).__qualname__)} {problem}"
    return None


def _signature_problem(function: Callable[..., object]) -> str | None:
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        return "yields; it is to await call_next(message) and to return"
    try:
        inspect.signature(function).bind("message", "call_next")
    except TypeError:
        return "does not take (message, call_next)"
    # What is written in C may have no signature to read; calling it will show.
    except ValueError:
        return None
    return None
