"""
How messages go to the processes of a pool and results come back: lengths and bytes, and nothing that is
executed when it is read.

A frame is its length and that many bytes. One that goes out is a batch of parcels, or empty: the end. One
that comes back is the microseconds that were spent, then answers. A parcel is what the handler asks for:
the value alone, or the whole message.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from struct import Struct

from partita.core.records import Headers

LENGTH = Struct("<I")
_COUNT = Struct("<H")
_FIELD = Struct("<i")
_PLACE = Struct("<iqq")
_ANSWER = Struct("<BI")
Field = bytes | None


class Kind(IntEnum):
    """What an answer says."""

    DONE = 0
    RESULT = 1
    FAILED = 2
    READY = 3
    REFUSED = 4


def frame(body: bytes) -> bytes:
    """*body* as it is sent."""
    return LENGTH.pack(len(body)) + body


def parcel(fields: Sequence[Field]) -> bytes:
    """Some byte strings, each of which may be None."""
    parts = [_COUNT.pack(len(fields))]
    for each in fields:
        parts.append(_FIELD.pack(-1 if each is None else len(each)))
        if each:
            parts.append(each)
    return b"".join(parts)


def parcels(body: bytes) -> Iterator[list[Field]]:
    """The fields of each parcel of a batch."""
    at = 0
    while at < len(body):
        (count,) = _COUNT.unpack_from(body, at)
        at += _COUNT.size
        fields: list[Field] = []
        for _ in range(count):
            (length,) = _FIELD.unpack_from(body, at)
            at += _FIELD.size
            fields.append(None if length < 0 else body[at : at + length])
            at += max(length, 0)
        yield fields


def message_fields(
    place: tuple[str, int, int, int], key: Field, value: Field, headers: Headers
) -> list[Field]:
    """
    A whole message.

    Args:
        place: topic, partition, offset and timestamp.
        key, value, headers: its own.
    """
    fields: list[Field] = [place[0].encode(), _PLACE.pack(*place[1:]), key, value]
    for name, text in headers:
        fields += (name.encode("utf-8", "surrogateescape"), text)
    return fields


def message_of(fields: Sequence[Field]) -> tuple[str, int, int, int, Field, Field, Headers]:
    """Topic, partition, offset, timestamp, key, value and headers of a whole message."""
    topic, place, key, value, *rest = fields
    partition, offset, timestamp = _PLACE.unpack(place or b"")
    names, texts = rest[::2], rest[1::2]
    headers = tuple(
        ((name or b"").decode("utf-8", "surrogateescape"), text or b"")
        for name, text in zip(names, texts, strict=True)
    )
    return (topic or b"").decode(), partition, offset, timestamp, key, value, headers


def answer(kind: Kind, text: bytes = b"") -> bytes:
    """What became of one message, or of the process."""
    return _ANSWER.pack(kind, len(text)) + text


def report(micros: int, answers: Iterable[bytes]) -> bytes:
    """A frame of answers, and the microseconds that they took."""
    return frame(LENGTH.pack(min(max(micros, 0), 0xFFFFFFFF)) + b"".join(answers))


def read_report(body: bytes) -> tuple[float, list[tuple[int, bytes]]]:
    """The seconds that were spent, and each answer's kind and text."""
    (micros,) = LENGTH.unpack_from(body)
    at, answers = LENGTH.size, []
    while at < len(body):
        kind, length = _ANSWER.unpack_from(body, at)
        at += _ANSWER.size
        answers.append((kind, body[at : at + length]))
        at += length
    return micros / 1e6, answers


class FrameReader:
    """Cuts a stream of bytes into the bodies of its frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that are complete with *data*."""
        self._rest += data
        at = 0
        while len(self._rest) - at >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._rest, at)
            end = at + LENGTH.size + length
            if len(self._rest) < end:
                break
            yield bytes(self._rest[at + LENGTH.size : end])
            at = end
        del self._rest[:at]
