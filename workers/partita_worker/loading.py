"""From "module:attribute" to the object, with the folder it lives in importable."""

import difflib
import importlib
import importlib.util
import pkgutil
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TypeVar

from partita import PartitaError
from partita_worker.failures import ImportFailed, UsageError

T = TypeVar("T")

FORM = "give MODULE:ATTRIBUTE, for example examples.wordcount:router"


def load(target: str, kind: type[T], app_dir: str = ".") -> T:
    """
    Import what a command line names.

    Args:
        target: "module:attribute"; both may be dotted.
        kind: what it must be.
        app_dir: the folder to import from.

    Raises:
        UsageError: there is no such folder, module or attribute, or it is something else.
        ImportFailed: the module raised; the text is its own traceback.
        PartitaError: the module declares a handler or an address that cannot be used.
    """
    name, colon, attribute = target.partition(":")
    if not (name and colon and attribute):
        raise UsageError(f"{target!r} names no module and attribute; {FORM}")
    if name.endswith(".py") or "/" in name:
        dotted = name.removesuffix(".py").removeprefix("./").replace("/", ".")
        raise UsageError(f"{name!r} is a file; name its module instead: {dotted}:{attribute}")
    folder = Path(app_dir).absolute()
    if not folder.is_dir():
        raise UsageError(f"--app-dir {app_dir}: there is no such folder")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    module = import_by_steps(name, folder)
    return expect(find(module, attribute, kind), kind, target, module)


def import_by_steps(name: str, folder: Path) -> ModuleType:
    """
    Import the packages above a module, then the module, so that a missing one is known from one that
    is there and raises.

    Raises:
        UsageError: a step does not exist; the text names what does.
        ImportFailed: a step raised.
    """
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        raise UsageError(f"{name!r} is no module name; {FORM}")
    module: ModuleType | None = None
    for end in range(1, len(parts) + 1):
        step = ".".join(parts[:end])
        places = list(module.__path__) if module is not None and hasattr(module, "__path__") else None
        if end > 1 and places is None:
            raise UsageError(f"there is no module {step!r}: {parts[end - 2]!r} is a module and no package")
        if step not in sys.modules and importlib.util.find_spec(step) is None:
            raise UsageError(missing(step, places or [str(folder)], folder))
        module = import_one(step)
    assert module is not None  # a name has at least one part
    return module


def import_one(name: str) -> ModuleType:
    """
    Import a module that exists.

    Raises:
        ImportFailed: it raised.
        PartitaError: what it declares cannot be used; the text names the place.
    """
    try:
        return importlib.import_module(name)
    except (PartitaError, KeyboardInterrupt):
        raise
    # SystemExit as well: a module that ends the process while it is imported has to be seen. Nothing of
    # ours is half-done then, and Ctrl-C went on above.
    except BaseException as error:  # noqa: BLE001
        raise ImportFailed(own_traceback(error)) from None


def own_traceback(error: BaseException) -> str:
    """The traceback of an import without the frames of those who imported."""
    trace = error.__traceback__
    while trace is not None and not is_users(trace):
        trace = trace.tb_next
    text = "".join(traceback.format_exception(type(error), error, trace)).rstrip("\n")
    return text if trace is not None else f"Traceback (most recent call last):\n{text}"


def is_users(trace: TracebackType) -> bool:
    """Whether a frame is of the module itself or of what it called."""
    file = trace.tb_frame.f_code.co_filename
    return file not in (__file__, importlib.__file__) and not file.startswith("<frozen importlib")


def missing(name: str, places: Sequence[str], folder: Path) -> str:
    """What to say when there is no module of that name."""
    last = name.rpartition(".")[2]
    known = [found.name for found in pkgutil.iter_modules(places)]
    known += [path.name for place in places for path in Path(place).glob("[!._]*") if is_namespace(path)]
    prefix = name.removesuffix(last)
    return (
        f"there is no module {name!r} to import from {folder}; {candidates(last, known, prefix)}; "
        "--app-dir imports from another folder"
    )


def is_namespace(path: Path) -> bool:
    """Whether a folder is a package without a file that says so."""
    return path.is_dir() and any(path.glob("*.py"))


def find(module: ModuleType, attribute: str, kind: type) -> object:
    """
    The attribute of a module, dotted or not.

    Raises:
        UsageError: there is none; the text names those that come near.
    """
    found: object = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            names = fitting(module, kind) or [name for name in vars(module) if not name.startswith("_")]
            raise UsageError(
                f"{module.__name__!r} has no attribute {attribute!r}; {candidates(attribute, names)}"
            )
        found = getattr(found, part)
    return found


def expect(found: object, kind: type[T], target: str, module: ModuleType) -> T:
    """
    Check what was found.

    Raises:
        UsageError: it is something else; the text names what would do.
    """
    if isinstance(found, kind):
        return found
    names = fitting(module, kind)
    there = f"; there is {module.__name__}:{names[0]}" if names else ""
    raise UsageError(f"{target!r} is of type {type(found).__name__}, not a {kind.__name__}{there}")


def fitting(module: ModuleType, kind: type) -> list[str]:
    """The names in a module that stand for something of the right kind."""
    return [name for name, value in vars(module).items() if isinstance(value, kind)]


def candidates(name: str, known: Iterable[str], prefix: str = "") -> str:
    """The names nearest to one that does not exist, or those there are, a few of them."""
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(prefix + each for each in close)}?"
    shown = ", ".join(prefix + each for each in names[:8])
    return f"there are: {shown}{', ...' if len(names) > 8 else ''}" if names else "there is none"
