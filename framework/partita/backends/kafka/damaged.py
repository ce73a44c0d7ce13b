"""
Reads a batch record by record, however damaged: what the client's own parser has refused.

It is slow, and runs only from the first record that cannot be read to the end of that batch.
"""

from collections.abc import Iterator
from typing import Any

import attrs
from aiokafka.record.default_records import DefaultRecord

from partita.backends.kafka.records import Damaged, built
from partita.core.errors import DecodeError
from partita.core.ports import Flaw, TopicPartition

_LONGEST_VARINT = 10  # bytes


@attrs.frozen
class Frame:
    """
    What the header of a batch says about its records.

    Args:
        base: offset of the first.
        last: offset of the last.
        count: how many there are.
        first_timestamp: milliseconds since 1970.
        log_timestamp: when the broker has appended it; None: records have times of their own.
    """

    base: int
    last: int
    count: int
    first_timestamp: int
    log_timestamp: int | None = None


class Cursor:
    """Reads what records are made of; raises ValueError where the bytes end."""

    def __init__(self, payload: memoryview, at: int = 0) -> None:
        self.payload, self.at = payload, at

    def number(self) -> int:
        """A whole number of variable length."""
        found = shift = 0
        for byte in self.payload[self.at : self.at + _LONGEST_VARINT]:
            self.at += 1
            found |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (found >> 1) ^ -(found & 1)
        raise ValueError("a number has no end")

    def chunk(self) -> bytes | None:
        """Bytes with their length in front; None where that is negative."""
        length = self.number()
        return None if length < 0 else self.take(length)

    def take(self, length: int) -> bytes:
        """So many bytes."""
        if length > len(self.payload) - self.at:
            raise ValueError("it is longer than its batch")
        self.at += length
        return bytes(self.payload[self.at - length : self.at])


def read_on(
    at: TopicPartition, payload: memoryview, frame: Frame, index: int, error: Exception
) -> Iterator[Any]:
    """
    The records from *index* on, or `Damaged` for each that is none.

    Args:
        at: whose they are.
        payload: the unpacked records of the batch.
        frame: what its header says.
        index: how many of them the client has read.
        error: why it has read no more.
    """
    cursor, following = Cursor(payload), frame.base
    for number in range(frame.count):
        try:
            length = cursor.number()
            body = memoryview(cursor.take(length)) if length >= 0 else None
        except ValueError as reason:
            body, error = None, reason
        if body is None:
            # Where the next one begins is not known any more.
            yield _lost(at, following, frame, bytes(payload[cursor.at :]), error)
            return
        found = _record(at, body, frame, following)
        following = found.offset + 1
        if number >= index:
            yield found


def _lost(at: TopicPartition, offset: int, frame: Frame, rest: bytes, error: Exception) -> Damaged:
    last = max(offset, frame.last)
    said = f"the records from offset {offset} to {last} cannot be read: {error}"
    return Damaged(*at, offset, frame.first_timestamp, Flaw(DecodeError(said), last, rest))


def _record(at: TopicPartition, body: memoryview, frame: Frame, following: int) -> Any:
    """One record; *following* is its offset if it does not say."""
    cursor, offset, timestamp = Cursor(body, 1), following, frame.first_timestamp
    try:
        timestamp += cursor.number()
        timestamp = timestamp if frame.log_timestamp is None else frame.log_timestamp
        offset = max(following, min(frame.base + cursor.number(), frame.last))
        key, value = cursor.chunk(), cursor.chunk()
        headers = [(cursor.chunk() or b"", cursor.chunk()) for _ in range(_count(cursor, body))]
    except ValueError as reason:
        said = f"the record cannot be read: {reason}"
        return Damaged(*at, offset, timestamp, Flaw(DecodeError(said), offset, bytes(body)))
    try:
        named = [(name.decode(), each) for name, each in headers]
    except UnicodeDecodeError:
        escaped = tuple((name.decode("utf-8", "backslashreplace"), each or b"") for name, each in headers)
        flaw = Flaw(DecodeError("the name of a header is not UTF-8"), offset, value, value=True)
        return Damaged(*at, offset, timestamp, flaw, key, escaped)
    kind = int(frame.log_timestamp is not None)
    return next(built(iter([(DefaultRecord(offset, timestamp, kind, key, value, named), at)])))


def _count(cursor: Cursor, body: memoryview) -> int:
    count = cursor.number()
    if not 0 <= count <= len(body):
        raise ValueError(f"it says that it has {count} headers")
    return count
