"""Which codec a type has: JSON for attrs and dataclasses, and what msgspec and pydantic bring for theirs."""

import json
import typing
from collections.abc import Callable
from functools import lru_cache
from types import UnionType
from typing import NoReturn, Protocol

import attrs

from partita.codecs.decoding import decoder_of, is_fielded
from partita.codecs.encoding import encoder_of
from partita.core.errors import DecodeError
from partita.core.outgoing import Outgoing

Decode = Callable[[bytes], object]
Encode = Callable[[object], bytes]


@attrs.frozen(eq=False)
class Codec:
    """
    How values of one type become bytes, and bytes become values.

    Args:
        name: the type's name, for errors.
        decode: makes a value of a payload. Raises DecodeError, without anything of the payload in its text.
        encode: makes a payload of a value. Raises TypeError or ValueError.
        nullable: a null value is None and not an error.
    """

    name: str
    decode: Decode
    encode: Encode
    nullable: bool = False


class _Model(Protocol):
    """What a pydantic model class offers."""

    def model_validate_json(self, payload: bytes) -> object:
        """Make a model of JSON."""
        ...


class _Filled(Protocol):
    """What a pydantic model offers."""

    def model_dump_json(self) -> str:
        """Its JSON."""
        ...


def codec_of(hint: object) -> Codec | None:
    """
    The codec of a type, or of `T | None`; None: there is none.

    Raises:
        TypeError: a field's type has none, or cannot be read.
    """
    if isinstance(hint, UnionType) or typing.get_origin(hint) is typing.Union:
        rest = [each for each in typing.get_args(hint) if each is not type(None)]
        found = codec_of(rest[0]) if len(rest) == 1 else None
        return None if found is None else attrs.evolve(found, nullable=True)
    return _codec_of_class(hint) if isinstance(hint, type) else None


@lru_cache(maxsize=1024)
def _codec_of_class(cls: type) -> Codec | None:
    name = cls.__qualname__
    if _descends(cls, "msgspec", "Struct"):
        return _msgspec(cls, name)
    if _descends(cls, "pydantic.main", "BaseModel"):
        return _pydantic(typing.cast(_Model, cls), name)
    if is_fielded(cls):
        return Codec(name, _json(cls, name), encoder_of(cls))
    return None


def payload_of_result(result: object) -> bytes | None:
    """
    The payload of what a handler has returned; None: its class has no codec.

    Raises:
        TypeError: a field of its class can be none.
        ValueError: a number in it is not finite.
    """
    if isinstance(result, bytes):
        return result
    cls: type = type(result)
    found = _codec_of_class(cls)
    return None if found is None else found.encode(result)


def payload_of(value: object) -> bytes | None:
    """Bytes and None as they are, other values by their codec. Raises what `encode` does."""
    return value if value is None or isinstance(value, bytes) else encode(value)


def with_payload(message: Outgoing) -> Outgoing:
    """*message* with its value encoded, if that is not bytes or None. Raises what `encode` does."""
    if message.value is None or isinstance(message.value, bytes):
        return message
    return attrs.evolve(message, value=encode(message.value))


def encode(value: object) -> bytes:
    """
    The payload of a value that is not bytes.

    Raises:
        TypeError: its type has no codec, or something in it has no JSON form.
        ValueError: a number in it is not finite.
    """
    cls: type = type(value)
    found = _codec_of_class(cls)
    if found is None:
        raise TypeError(
            "a message's value is bytes, None, or of a class with a codec (attrs, dataclass, "
            f"msgspec.Struct, pydantic.BaseModel), not {cls.__name__}"
        )
    return found.encode(value)


def _descends(cls: type, module: str, name: str) -> bool:
    """By name: a library that the user does not have is not to be imported to find that out."""
    return any(each.__module__ == module and each.__name__ == name for each in cls.__mro__[1:])


def _json(cls: type, name: str) -> Decode:
    build = decoder_of(cls)

    def decode(payload: bytes) -> object:
        try:
            return build(json.loads(payload, parse_constant=_no_constant))
        except DecodeError as error:
            raise _unfit(name, str(error)) from None
        except RecursionError:
            raise _unfit(name, "it is nested too deeply") from None
        except ValueError as error:
            # Of the parser, whose texts name the place and show nothing; UnicodeDecodeError shows the bytes.
            raise _unfit(name, _unparsed(error)) from None

    return decode


def _unparsed(error: ValueError) -> str:
    if isinstance(error, UnicodeError):
        return "it is not UTF-8"
    return f"it is not JSON ({error if isinstance(error, json.JSONDecodeError) else 'a number is too long'})"


def _no_constant(said: str) -> NoReturn:
    raise DecodeError(f" has a number that JSON does not have: {said}")


def _msgspec(cls: type, name: str) -> Codec:
    # Here and not above: only a user who has msgspec has a class that needs it.
    import msgspec

    decoder: msgspec.json.Decoder[object] = msgspec.json.Decoder(cls)

    def decode(payload: bytes) -> object:
        try:
            return decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            # The text may quote the payload, but for the path, which comes last.
            _, at, path = str(error).rpartition(" - at `$")
            where = f"{path.rstrip('`')} does not fit" if at else "it is not JSON of its shape"
            raise _unfit(name, where) from None

    return Codec(name, decode, msgspec.json.encode)


def _pydantic(model: _Model, name: str) -> Codec:
    # As with msgspec.
    from pydantic import ValidationError

    def decode(payload: bytes) -> object:
        try:
            return model.model_validate_json(payload)
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            raise _unfit(name, ", ".join(_told(each["loc"], each["type"]) for each in found[:3])) from None

    def encode(value: object) -> bytes:
        return typing.cast(_Filled, value).model_dump_json().encode()

    return Codec(name, decode, encode)


def _told(place: tuple[int | str, ...], kind: str) -> str:
    return f"{'.'.join(map(str, place)) or 'it'} ({kind})"


def _unfit(name: str, why: str) -> DecodeError:
    return DecodeError(f"the payload is no {name}: {why.lstrip('. ')}")
