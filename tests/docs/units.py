"""Unit files of systemd and recipes of container images, taken apart."""

import json
import re
from collections.abc import Iterator

import attrs


@attrs.frozen
class Setting:
    """One line of a unit file."""

    section: str
    name: str
    value: str


def settings(text: str) -> Iterator[Setting]:
    """
    The settings of a unit file.

    Raises:
        ValueError: a line is none, or stands in no section.
    """
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        if found := re.fullmatch(r"\[(\w+)\]", line):
            section = found[1]
        elif (found := re.fullmatch(r"(\w+)=(.*)", line)) and section:
            yield Setting(section, found[1], found[2])
        else:
            raise ValueError(f"line {number}: {line}")


def seconds(span: str) -> float:
    """
    A span of time as systemd reads it; only whole numbers of seconds.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(r"[0-9]+s?", span):
        raise ValueError(f"{span!r} is no number of seconds")
    return float(span.removesuffix("s"))


@attrs.frozen
class Instruction:
    """One instruction of a recipe: its name in capitals, its flags, and the rest."""

    name: str
    flags: dict[str, str]
    rest: str

    @property
    def command(self) -> list[str]:
        """
        The words of a command without a shell.

        Raises:
            ValueError: it is written for a shell.
        """
        words = json.loads(self.rest.removeprefix("CMD ") if self.name == "HEALTHCHECK" else self.rest)
        if not (isinstance(words, list) and words and all(isinstance(each, str) for each in words)):
            raise ValueError(self.rest)
        return words


def instructions(text: str) -> Iterator[Instruction]:
    """
    The instructions of a recipe.

    Raises:
        ValueError: a line is none.
    """
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        found = re.fullmatch(r"([A-Z]+) +((?:--[a-z-]+=\S+ +)*)(\S.*)", line)
        if found is None or line.endswith("\\"):
            raise ValueError(f"line {number}: {line}")
        flags = dict(re.findall(r"--([a-z-]+)=(\S+)", found[2]))
        yield Instruction(found[1], flags, found[3])
