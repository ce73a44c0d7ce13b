"""JSON to values of attrs classes and dataclasses: what each annotation takes, worked out once per class."""

import base64
import dataclasses
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from uuid import UUID

import attrs

from partita.codecs.fields import Field, fields_of
from partita.core.errors import DecodeError

Build = Callable[[object], object]

_LISTS: Mapping[object, Callable[[list[object]], object]] = {
    list: list,
    Sequence: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
}


def is_fielded(cls: type) -> bool:
    """Whether it is an attrs class or a dataclass."""
    return attrs.has(cls) or dataclasses.is_dataclass(cls)


def decoder_of(cls: type) -> Build:
    """
    What makes a value of *cls* of parsed JSON. Fields that the class does not have are passed over.

    Raises:
        TypeError: the type of a field has no JSON form here.
    """
    return _Builders().of(cls)


class _Builders:
    """The builders of one class and of those in it; a class may have itself in a field."""

    def __init__(self) -> None:
        self._classes: dict[type, Build] = {}

    def of(self, hint: object) -> Build:
        """The builder of one annotation."""
        if hint in _SCALARS:
            return _SCALARS[hint]
        if isinstance(hint, type) and issubclass(hint, Enum):
            return _enum(hint)
        if isinstance(hint, type) and is_fielded(hint):
            return self._fielded(hint)
        return self._compound(hint, typing.get_origin(hint) or hint, typing.get_args(hint))

    def _compound(self, hint: object, origin: object, arguments: tuple[object, ...]) -> Build:
        if origin is typing.Union or isinstance(hint, UnionType):
            return self._union(arguments)
        if origin is typing.Literal:
            return _literal(arguments)
        if origin is tuple and arguments and arguments[-1] is not Ellipsis:
            return _fixed([self.of(each) for each in arguments])
        if origin in _LISTS:
            return _listed(_LISTS[origin], self.of(arguments[0]) if arguments else _anything)
        if origin in (dict, Mapping):
            return self._mapping(arguments)
        raise TypeError(f"{getattr(hint, '__qualname__', hint)} has no JSON form here")

    def _mapping(self, arguments: tuple[object, ...]) -> Build:
        if arguments and arguments[0] is not str:
            raise TypeError("the keys of a JSON object are str")
        return _mapped(self.of(arguments[1]) if arguments else _anything)

    def _union(self, arguments: tuple[object, ...]) -> Build:
        rest = [each for each in arguments if each is not NoneType]
        scalars = {str, int, float, bool}
        if len(rest) > 1 and not {*rest} <= scalars:
            raise TypeError("a union is of one type and None, or of str, int, float and bool")
        each_of = [self.of(each) for each in rest]
        return _either(each_of, nullable=NoneType in arguments)

    def _fielded(self, cls: type) -> Build:
        if cls not in self._classes:
            built: list[Build] = []
            self._classes[cls] = lambda given: built[0](given)  # in the middle of it, it may be asked for
            fields = fields_of(cls)
            built.append(_object(cls, [(each, self._field(cls, each)) for each in fields]))
            self._classes[cls] = built[0]
        return self._classes[cls]

    def _field(self, cls: type, field: Field) -> Build:
        try:
            return self.of(field.hint)
        except TypeError as error:
            raise TypeError(f"field {field.name!r} of {cls.__qualname__}: {error}") from None


def _object(cls: type, fields: Sequence[tuple[Field, Build]]) -> Build:
    def build(given: object) -> object:
        if not isinstance(given, dict):
            raise DecodeError(" is no object")
        found: dict[str, object] = {}
        for field, make in fields:
            name = field.name
            if name in given:
                try:
                    found[name] = make(given[name])
                except DecodeError as error:
                    raise DecodeError(f".{name}{error}") from None
            elif field.required:
                raise DecodeError(f".{name} is missing")
        try:
            return cls(**found)
        # Validators and converters are the user's; what they raise may quote the payload.
        except Exception as error:  # noqa: BLE001 - told by its class
            raise DecodeError(f" is refused by {cls.__qualname__} ({type(error).__name__})") from None

    return build


def _plain(cls: type, said: str) -> Build:
    def build(given: object) -> object:
        # Not isinstance: true is no number, though bool is an int.
        if type(given) is cls:
            return given
        raise DecodeError(f" is not {said}")

    return build


def _float(given: object) -> object:
    if type(given) in (float, int):
        try:
            return float(typing.cast("float", given))  # as just seen
        except OverflowError:
            raise DecodeError(" is too large a number") from None
    raise DecodeError(" is not a number")


def _text(convert: Callable[[str], object], hint: object) -> Build:
    said = getattr(hint, "__name__", "text")

    def build(given: object) -> object:
        if isinstance(given, str):
            try:
                return convert(given)
            except (ValueError, ArithmeticError):
                pass  # told below, as what is no text at all is
        raise DecodeError(f" is no {said} as text")

    return build


def _enum(cls: type[Enum]) -> Build:
    def build(given: object) -> object:
        try:
            found = cls(given)
        except ValueError:
            raise DecodeError(f" is no {cls.__qualname__}") from None
        if type(found.value) is not type(given):
            raise DecodeError(f" is no {cls.__qualname__}")
        return found

    return build


def _literal(values: tuple[object, ...]) -> Build:
    def build(given: object) -> object:
        for each in values:
            if type(each) is type(given) and each == given:
                return each
        raise DecodeError(" is none of the values that it may be")

    return build


def _either(builds: Sequence[Build], *, nullable: bool) -> Build:
    def build(given: object) -> object:
        if given is None and nullable:
            return None
        for each in builds[:-1]:
            try:
                return each(given)
            except DecodeError:
                continue  # the next may take it, and the last one tells
        return builds[-1](given)

    return build


def _listed(make: Callable[[list[object]], object], build_each: Build) -> Build:
    def build(given: object) -> object:
        if not isinstance(given, list):
            raise DecodeError(" is no array")
        try:
            return make(_items(given, [build_each] * len(given)))
        except TypeError:
            raise DecodeError(" has an item that a set cannot hold") from None

    return build


def _fixed(builds: Sequence[Build]) -> Build:
    def build(given: object) -> object:
        if not isinstance(given, list) or len(given) != len(builds):
            raise DecodeError(f" is no array of {len(builds)}")
        return tuple(_items(given, builds))

    return build


def _items(given: Sequence[object], builds: Sequence[Build]) -> list[object]:
    found: list[object] = []
    for build, each in zip(builds, given, strict=True):
        try:
            found.append(build(each))
        except DecodeError as error:
            raise DecodeError(f"[{len(found)}]{error}") from None
    return found


def _mapped(build_each: Build) -> Build:
    def build(given: object) -> object:
        if not isinstance(given, dict):
            raise DecodeError(" is no object")
        # Its keys come from the message, so none is named.
        try:
            return {key: build_each(value) for key, value in given.items()}
        except DecodeError as error:
            raise DecodeError(f".*{error}") from None

    return build


def _anything(given: object) -> object:
    return given


_TEXTS: Mapping[object, Callable[[str], object]] = {
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
    Decimal: Decimal,
    UUID: UUID,
    bytes: lambda text: base64.b64decode(text, validate=True),
}
_SCALARS: Mapping[object, Build] = {
    typing.Any: _anything,
    object: _anything,
    str: _plain(str, "text"),
    int: _plain(int, "a whole number"),
    bool: _plain(bool, "true or false"),
    NoneType: _plain(NoneType, "null"),
    float: _float,
    **{hint: _text(convert, hint) for hint, convert in _TEXTS.items()},
}
