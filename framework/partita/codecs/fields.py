"""The fields of an attrs class or a dataclass, in the one form that decoding and encoding use."""

import dataclasses
import typing

import attrs


@attrs.frozen
class Field:
    """
    One field.

    Args:
        name: its name in JSON and in the class's call.
        attribute: where a value has it.
        hint: its annotation, resolved; `object` when it has none.
        required: it has no default.
    """

    name: str
    attribute: str
    hint: object
    required: bool


def fields_of(cls: type) -> tuple[Field, ...]:
    """
    The fields that a class is called with; those that it fills in itself are no part of its JSON.

    Raises:
        TypeError: the annotations cannot be read.
    """
    try:
        hints = typing.get_type_hints(cls)
    # Annotations are the user's own expressions, evaluated here: they may raise anything.
    except Exception as error:
        raise TypeError(
            f"the annotations of {cls.__qualname__} cannot be read ({error}); every name in them must be "
            "importable in the module that defines it"
        ) from error
    if attrs.has(cls):
        return tuple(
            Field(each.alias, each.name, hints.get(each.name, object), each.default is attrs.NOTHING)
            for each in attrs.fields(cls)
            if each.init
        )
    if not dataclasses.is_dataclass(cls):
        raise TypeError(f"{cls.__qualname__} is neither an attrs class nor a dataclass")
    missing = dataclasses.MISSING
    return tuple(
        Field(
            each.name,
            each.name,
            hints.get(each.name, object),
            each.default is missing and each.default_factory is missing,
        )
        for each in dataclasses.fields(cls)
        if each.init
    )
