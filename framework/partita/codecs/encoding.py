"""Values of attrs classes and dataclasses to JSON: by what each value is, not by what its field says."""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import date, time
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from uuid import UUID

import attrs

from partita.codecs.fields import Field, fields_of

_TEXTS: Mapping[type, Callable[[object], str]] = {
    Decimal: str,
    UUID: str,
    bytes: lambda value: base64.b64encode(value if isinstance(value, bytes) else b"").decode(),
}


def encoder_of(cls: type) -> Callable[[object], bytes]:
    """
    What makes the payload of a value of *cls*: compact JSON in UTF-8.

    What it makes raises TypeError for what has no JSON form, and ValueError for a number that is not finite.
    """
    _fields(cls)

    def encode(value: object) -> bytes:
        text = json.dumps(value, default=_dumped, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()

    return encode


@lru_cache(maxsize=1024)
def _fields(cls: type) -> tuple[Field, ...]:
    return fields_of(cls)


def _dumped(value: object) -> object:
    """What json cannot write itself, in a form that it can."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return list(value)
    if type(value) in _TEXTS:
        return _TEXTS[type(value)](value)
    cls: type = type(value)
    if attrs.has(cls) or hasattr(cls, "__dataclass_fields__"):
        return {each.name: getattr(value, each.attribute) for each in _fields(cls)}
    raise TypeError(f"{cls.__qualname__} has no JSON form here")
