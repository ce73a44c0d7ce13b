"""
An error as it goes from one process to another: as text, and as an error of the same class again.

It is not pickled. The class is looked up by name among those that are loaded already; nothing is imported
because a text says so. A class that is not loaded here is stood in for by the nearest of its bases.
"""

import json
import sys
from collections.abc import Sequence

LONGEST_TEXT = 10_000
_PLAIN = (str, int, float, bool, type(None))


def pack_error(error: BaseException, trace: str) -> bytes:
    """
    What there is to tell of *error*.

    Args:
        error: what was raised.
        trace: where, as text.
    """
    args = error.args if all(isinstance(each, _PLAIN) for each in error.args) else (_text(error),)
    classes = [(each.__module__, each.__qualname__) for each in type(error).__mro__]
    fields = {name: value for name, value in vars(error).items() if isinstance(value, _PLAIN)}
    told = {"classes": classes, "args": args, "fields": fields, "text": _text(error), "trace": trace}
    packed = json.dumps(told)
    if len(packed) > 2 * LONGEST_TEXT:
        short = _text(error)[:LONGEST_TEXT]
        told |= {"args": (short,), "fields": {}, "text": short, "trace": trace[-LONGEST_TEXT:]}
        packed = json.dumps(told)
    return packed.encode()


def _text(error: BaseException) -> str:
    try:
        return str(error)
    # A handler's error class may be broken itself; the outcome of its message is to be told all the same.
    except Exception as broken:  # noqa: BLE001
        return f"its text cannot be had ({type(broken).__name__})"


def unpack_error(packed: bytes) -> BaseException:
    """An error of the same class, text and plain attributes, with its place there as a note."""
    told = json.loads(packed)
    module, name = told["classes"][0]
    for each in told["classes"]:
        error = _made(_loaded(*each), told["args"], told["fields"], told["text"])
        if error is not None:
            break
    else:
        error = Exception(told["text"])
    if (type(error).__module__, type(error).__qualname__) != (module, name):
        error.add_note(f"it was a {module}.{name}")
    error.add_note(f"raised in another process:\n{told['trace']}")
    return error


def _loaded(module: str, name: str) -> object:
    found: object = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _made(kind: object, args: Sequence[object], fields: dict[str, object], text: str) -> BaseException | None:
    """An error of class *kind* that says *text*; None when it cannot be made without being told more."""
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        return None
    made: BaseException | None = None
    try:
        error = kind.__new__(kind, *args)
        error.args = tuple(args)
        vars(error).update(fields)
        if str(error) == text:
            made = error
    # Classes may want what is not plain data, a group its errors: then its base has to do.
    except Exception:  # noqa: BLE001
        made = None
    return made


def raisable(error: BaseException) -> BaseException:
    """What a future takes: a StopIteration would end the coroutine that waits for it, so it is not one."""
    if not isinstance(error, StopIteration):
        return error
    told = RuntimeError("the handler raised StopIteration")
    told.__cause__ = error
    return told
