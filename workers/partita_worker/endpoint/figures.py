"""
Figures in Prometheus's text format 0.0.4.

A family is one figure under all its labels. Names are checked where a family is made, values and labels are
escaped where it is printed, so that nothing a label holds can forge a line.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping

import attrs

KIND = "text/plain; version=0.0.4; charset=utf-8"
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@attrs.frozen
class Sample:
    """
    One value.

    Args:
        value: a number.
        labels: what it is of.
        suffix: what stands behind the family's name; a histogram's has "_bucket", "_sum" and "_count".
    """

    value: float
    labels: Mapping[str, str] = attrs.field(factory=dict)
    suffix: str = ""


@attrs.frozen
class Family:
    """
    One figure.

    Args:
        name: as Prometheus has it; a counter's ends in "_total".
        kind: "counter", "gauge" or "histogram".
        help: one sentence, unit included.
        samples: its values.

    Raises:
        ValueError: the name cannot be used.
    """

    name: str
    kind: str
    help: str
    samples: Iterable[Sample]

    def __attrs_post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no name of a metric")


def exposition(families: Iterable[Family]) -> str:
    """The text; each line ends in a newline, as the format has it."""
    return "".join(f"{line}\n" for family in families for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {_escaped(family.help)}"
    yield f"# TYPE {family.name} {family.kind}"
    for sample in family.samples:
        yield f"{family.name}{sample.suffix}{_labels(sample.labels)} {number(sample.value)}"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    for name in labels:
        if not _LABEL.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a label")
    told = ",".join(f'{name}="{_quoted(value)}"' for name, value in labels.items())
    return f"{{{told}}}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', r"\"")


def number(value: float) -> str:
    """A number as the format has it: whole ones without a point, and its words for those that are none."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**63 else repr(float(value))
