"""
Kafka's records: the client's own type, whose fields are looked up in what its compiled parser has made.

Nothing is converted but headers that are null.
"""

from collections.abc import Iterator
from dataclasses import fields
from operator import attrgetter
from typing import Any

import attrs
from aiokafka.structs import ConsumerRecord

from partita.core.ports import Flaw, Headers, TopicPartition

_Plain: Any = ConsumerRecord


def _part(name: str) -> Any:
    def change(record: Any, value: object) -> None:
        if not isinstance(record._parts, ConsumerRecord):
            record._parts = ConsumerRecord(*_fields(record))
        setattr(record._parts, name, value)

    return property(attrgetter(f"_parts.{name}"), change)


def _size(name: str) -> Any:
    def size(record: Any) -> int:
        parts = record._parts
        if isinstance(parts, ConsumerRecord):
            found: int = getattr(parts, f"serialized_{name}_size")
            return found
        payload = getattr(parts, name)
        return -1 if payload is None else len(payload)

    return property(size)


class Record(_Plain):  # type: ignore[misc] # its type parameters say nothing here
    """
    A `ConsumerRecord` whose fields are looked up where they lie: to make a plain one takes five times as
    long. It equals one; a copy, a pickle and what `dataclasses.replace` makes of it is one.
    """

    __slots__ = ("_at", "_parts")

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return ConsumerRecord(*args, **kwargs)

    topic = property(lambda self: self._at[0])
    partition = property(lambda self: self._at[1])
    offset = _part("offset")
    timestamp = _part("timestamp")
    timestamp_type = _part("timestamp_type")
    key = _part("key")
    value = _part("value")
    checksum = _part("checksum")
    serialized_key_size = _size("key")
    serialized_value_size = _size("value")
    headers = property(lambda self: tuple(self._parts.headers))

    def __eq__(self, other: object) -> bool:
        return _fields(self) == _fields(other) if isinstance(other, ConsumerRecord) else NotImplemented

    __hash__ = None  # type: ignore[assignment] # nor has the client's

    def __reduce__(self) -> Any:
        return ConsumerRecord, _fields(self)


# What prints it, or tells it by its name, finds the client's.
Record.__module__, Record.__qualname__, Record.__name__ = (
    _Plain.__module__,
    _Plain.__qualname__,
    _Plain.__name__,
)


def _fields(record: Any) -> tuple[Any, ...]:
    return tuple(getattr(record, each.name) for each in fields(ConsumerRecord))


def built(pairs: Iterator[tuple[Any, TopicPartition]]) -> Iterator[Record]:
    """A record for each of what the client's parser has made, and its partition."""
    new: Any = object.__new__
    for parts, at in pairs:
        record = new(Record)
        record._parts = parts
        record._at = at
        yield record


@attrs.frozen(eq=False)
class Damaged:
    """
    What stands where a record should be; its fields are as far as they could be read.

    Args:
        topic, partition: where it is.
        offset: the first of what it stands for.
        timestamp: milliseconds since 1970.
        flaw: why it is no record.
        key: the key, or None.
        headers: names that are no text are escaped.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    flaw: Flaw
    key: bytes | None = None
    headers: Headers = ()
    value: None = None


def _headers(record: Any) -> Headers:
    """Kafka's header values may be null, which no header of ours is: such a one reads as empty."""
    headers: Headers = record.headers
    return tuple((name, value or b"") for name, value in headers)


def _flaw(record: object) -> Flaw | None:
    return record.flaw if type(record) is Damaged else None


class KafkaReader:
    """Reads `aiokafka.structs.ConsumerRecord`; keys and values are the bytes that the broker keeps."""

    record_type = "aiokafka.structs.ConsumerRecord"
    topic = staticmethod(attrgetter("topic"))
    partition = staticmethod(attrgetter("partition"))
    offset = staticmethod(attrgetter("offset"))
    timestamp = staticmethod(attrgetter("timestamp"))
    key = staticmethod(attrgetter("key"))
    value = staticmethod(attrgetter("value"))
    headers = staticmethod(_headers)
    flaw = staticmethod(_flaw)
