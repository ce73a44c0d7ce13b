"""The settings file: `partita.toml`, or the table `[tool.partita]` of a `pyproject.toml`."""

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from partita_worker.failures import SettingRefused

OWN_FILE, SHARED_FILE = "partita.toml", "pyproject.toml"
SHARED_TABLE = ("tool", "partita")
TABLES = ("kafka", "nats", "routes")
Keys = tuple[str, ...]


@attrs.frozen
class SettingsFile:
    """
    What a settings file says.

    Args:
        name: the file, as it is shown; "" when there is none.
        tables: what is in it, from our own table on.
        root: the keys that lead to our own table.
        lines: the line of each key that holds a value, by the keys that lead to it from our own table.
    """

    name: str = ""
    tables: Mapping[str, object] = attrs.field(factory=dict, repr=False)
    root: Keys = ()
    lines: Mapping[Keys, int] = attrs.field(factory=dict, repr=False)

    def place(self, *keys: str) -> str:
        """File, line and table of a key, such as "partita.toml:7 [kafka.consumer]"."""
        table = ".".join((*self.root, *keys[:-1]))
        line = self.lines.get(keys)
        return f"{self.name}{f':{line}' if line else ''}{f' [{table}]' if table else ''}"

    def table(self, *keys: str) -> Mapping[str, object]:
        """
        The table under some keys; empty when there is none.

        Raises:
            SettingRefused: something else is there.
        """
        found: object = self.tables
        for depth, key in enumerate(keys):
            found = found.get(key, {}) if isinstance(found, Mapping) else {}
            if not isinstance(found, Mapping):
                raise SettingRefused(f"{self.place(*keys[: depth + 1])}: {key!r} is a table")
        return found if isinstance(found, Mapping) else {}


NO_FILE = SettingsFile()


@attrs.define
class Here:
    """
    What this process was told in its settings file. One command is one process: it is set before it begins.

    Args:
        file: the settings file.
        app_dir: the folder that objects are imported from.
    """

    file: SettingsFile = NO_FILE
    app_dir: str = "."


HERE = Here()


def find_settings_file(given: str | None, folder: Path) -> SettingsFile:
    """
    Read the settings file.

    Args:
        given: its name; None: `partita.toml` in *folder*, or else the table in its `pyproject.toml`.
        folder: where to look.

    Raises:
        SettingRefused: it cannot be read, or is no TOML.
    """
    if given is not None:
        root = SHARED_TABLE if Path(given).name == SHARED_FILE else ()
        return _read(Path(given), given, root)
    if (own := folder / OWN_FILE).is_file():
        return _read(own, OWN_FILE, ())
    if (shared := folder / SHARED_FILE).is_file():
        return _read(shared, SHARED_FILE, SHARED_TABLE)
    return NO_FILE


def _read(path: Path, name: str, root: Keys) -> SettingsFile:
    try:
        text = path.read_text()
        tables: object = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingRefused(f"{name} cannot be read: {error}") from error
    for key in root:
        tables = tables.get(key, {}) if isinstance(tables, Mapping) else {}
    if not isinstance(tables, Mapping):
        raise SettingRefused(f"{name}: {'.'.join(root)} is a table")
    if root and not tables:
        return NO_FILE
    # A pyproject.toml is read to its end only if something of ours is in it.
    return SettingsFile(name, tables, root, _lines(text, root))


def _lines(text: str, root: Keys) -> Mapping[Keys, int]:
    """
    The line on which the statement for each key begins.

    The parser of the standard library does not tell. So the text is read again and again with one line more:
    a key that appears was written by the lines since the text was last whole.
    """
    found: dict[Keys, int] = {}
    lines, begin = text.splitlines(keepends=True), 1
    for end in range(1, len(lines) + 1):
        try:
            tables = tomllib.loads("".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue  # in the middle of a statement
        for keys in _leaves(tables):
            if keys[: len(root)] == root:
                found.setdefault(keys[len(root) :], begin)
        begin = end + 1
    return found


def _leaves(tables: Mapping[str, object], before: Keys = ()) -> Iterator[Keys]:
    for key, value in tables.items():
        yield (*before, key)
        if isinstance(value, Mapping):
            yield from _leaves(value, (*before, key))


def check_keys(file: SettingsFile, known: Iterable[str]) -> None:
    """
    Refuse keys that nobody would read.

    Args:
        file: the settings file.
        known: the settings of commands; beside them there are the tables.

    Raises:
        SettingRefused: with each such key and the nearest that there is.
    """
    names = sorted({*known, *TABLES})
    problems = [
        f"{file.place(key)}: there is no setting {key!r}; {nearest(key, names)}"
        for key in file.tables
        if key not in names
    ]
    problems += [
        f"{file.place(key)}: {key!r} is a table"
        for key in TABLES
        if not isinstance(file.tables.get(key, {}), Mapping)
    ]
    if problems:
        raise SettingRefused(*problems)


def nearest(name: str, known: Sequence[str]) -> str:
    """The known name that is nearest to another, or all of them."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(known)}"
