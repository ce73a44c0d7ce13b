"""
The part of YAML that manifests are written in, read strictly: what is beyond it is an error.

Mappings, lists, quoted and plain scalars, lists in brackets, comments, several documents in one file. No
anchors, no tags, no folded text. Plain scalars become numbers and truth values as YAML 1.2 has them.
"""

import json
import re
from collections.abc import Iterator

import attrs

Value = object
_KEY = re.compile(r"([A-Za-z0-9_./-]+):(?: +(.*))?")
_SPECIAL = "&*!|>%@`{}\t"


@attrs.frozen
class Line:
    """One line that says something: where, how far in, and what."""

    number: int
    indent: int
    text: str


def documents(text: str) -> list[Value]:
    """
    The documents of a file.

    Raises:
        ValueError: something cannot be read; the text names the line.
    """
    parts: list[list[Line]] = [[]]
    for line in _lines(text):
        if line.text == "---" and line.indent == 0:
            parts.append([])
        else:
            parts[-1].append(line)
    return [_document(part) for part in parts if part]


def _lines(text: str) -> Iterator[Line]:
    for number, raw in enumerate(text.splitlines(), 1):
        if raw != raw.rstrip():
            raise ValueError(f"line {number}: blanks at its end")
        stripped = re.sub(r"(^|\s)#.*$", "", raw).rstrip()
        if stripped:
            content = stripped.lstrip(" ")
            yield Line(number, len(stripped) - len(content), content)


def _document(lines: list[Line]) -> Value:
    value, rest = _block(lines, lines[0].indent)
    if rest:
        raise ValueError(f"line {rest[0].number}: not in line with what stands above it")
    return value


def _block(lines: list[Line], indent: int) -> tuple[Value, list[Line]]:
    if lines[0].text.startswith("- "):
        return _list(lines, indent)
    return _mapping(lines, indent)


def _list(lines: list[Line], indent: int) -> tuple[list[Value], list[Line]]:
    found: list[Value] = []
    value: Value
    while lines and lines[0].indent == indent and lines[0].text.startswith("- "):
        first, *rest = lines
        inner = first.text[2:].lstrip(" ")
        if _KEY.fullmatch(inner):
            deeper = indent + len(first.text) - len(inner)
            value, lines = _mapping([Line(first.number, deeper, inner), *rest], deeper)
        else:
            value, lines = _scalar(inner, first.number), rest
        found.append(value)
    return found, lines


def _mapping(lines: list[Line], indent: int) -> tuple[dict[str, Value], list[Line]]:
    found: dict[str, Value] = {}
    while lines and lines[0].indent == indent and not lines[0].text.startswith("- "):
        first, *rest = lines
        matched = _KEY.fullmatch(first.text)
        if matched is None or matched[1] in found:
            raise ValueError(f"line {first.number}: no key, or one that is there already: {first.text}")
        found[matched[1]], lines = _value(matched, first, rest, indent)
    return found, lines


def _value(matched: re.Match[str], first: Line, rest: list[Line], indent: int) -> tuple[Value, list[Line]]:
    if matched[2] is not None:
        return _scalar(matched[2], first.number), rest
    if not rest or rest[0].indent <= indent:
        raise ValueError(f"line {first.number}: {matched[1]} has no value")
    return _block(rest, rest[0].indent)


def _scalar(text: str, number: int) -> Value:
    if text[0] in '["':
        try:
            value: Value = json.loads(text)
        except ValueError as error:
            raise ValueError(f"line {number}: {text}") from error
        return value
    if text[0] in _SPECIAL or text[0] in "'?-]," or ": " in text:
        raise ValueError(f"line {number}: more than a plain scalar: {text}")
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"-?[0-9]+", text) else text
