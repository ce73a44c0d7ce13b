"""Where an event loop's thread is: which line of the user's own code, under which handler."""

import sysconfig
from collections.abc import Iterator, Mapping
from functools import partial
from inspect import CO_COROUTINE
from pathlib import Path
from types import CodeType, FrameType

import attrs

OURS = str(Path(__file__).parents[1])
STANDARD = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), "<frozen")
INSTALLED = ("site-packages", "dist-packages")
LOOP = ("asyncio.events", "asyncio.base_events")


@attrs.frozen
class Place:
    """
    A line that is being run.

    Args:
        file: the source file, as a traceback would name it.
        line: the line in it.
        function: the function's qualified name.
        handler: the name of the handler that is running; None: none is.
    """

    file: str
    line: int
    function: str
    handler: str | None

    def __str__(self) -> str:
        who = f"handler {self.handler}" if self.handler else "no handler"
        return f"{who}, at {self.file}:{self.line} in {self.function}"


def code_of(function: object) -> CodeType | None:
    """The code of a function behind its decorators and partials; None when it is not written in Python."""
    inner, behind = function, _behind(function)
    while behind is not None:
        inner, behind = behind, _behind(behind)
    own = getattr(inner, "__code__", None)
    return own or getattr(getattr(type(inner), "__call__", None), "__code__", None)  # noqa: B004


def _behind(function: object) -> object | None:
    return function.func if isinstance(function, partial) else getattr(function, "__wrapped__", None)


def runner_of(frame: FrameType | None) -> FrameType | None:
    """
    The frame that runs the event loop: what is outside of it is not run by the loop.

    Args:
        frame: of a coroutine that runs on the loop.
    """
    stack = list(_outwards(frame))
    inner = [at for at, each in enumerate(stack) if each.f_code.co_flags & CO_COROUTINE]
    outside = stack[inner[-1] + 1 :] if inner else []
    return next((each for each in outside if _module(each) not in LOOP), None)


def place_of(
    frame: FrameType | None, runner: FrameType | None, handlers: Mapping[CodeType, str]
) -> Place | None:
    """
    The line that keeps a loop from turning.

    Args:
        frame: the innermost frame of the loop's thread.
        runner: what `runner_of` said.
        handlers: the names of handlers by their code.

    Returns the innermost frame that is neither the standard library's, nor ours, nor of an installed
    package; else the innermost of an installed package; else the innermost of all. None when the loop
    waits for something to do, so that it is the process that is held up and not its code.
    """
    stack = _under_loop(frame, runner)
    if not stack:
        return None
    foreign = [each for each in stack if not _is_standard(each) and not _file(each).startswith(OURS)]
    users = [each for each in foreign if not _is_installed(each)]
    chosen = [*users, *foreign, *stack][0]
    handler = next((handlers[each.f_code] for each in stack if each.f_code in handlers), None)
    return Place(_file(chosen), chosen.f_lineno, chosen.f_code.co_qualname, handler)


def _under_loop(frame: FrameType | None, runner: FrameType | None) -> list[FrameType]:
    """The frames of what the loop runs at the moment, innermost first."""
    stack: list[FrameType] = []
    for each in _outwards(frame):
        if each is runner:
            break
        stack.append(each)
    last = None
    while stack and _module(stack[-1]) in LOOP:
        last = stack.pop()
    # A loop in Python calls its selector from here, and whatever it runs through `Handle._run`.
    return [] if last is not None and last.f_code.co_name == "_run_once" else stack


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))


def _file(frame: FrameType) -> str:
    return frame.f_code.co_filename


def _is_standard(frame: FrameType) -> bool:
    return _file(frame).startswith(STANDARD) and not _is_installed(frame)


def _is_installed(frame: FrameType) -> bool:
    return any(each in Path(_file(frame)).parts for each in INSTALLED)
