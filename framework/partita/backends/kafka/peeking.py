"""
What the batches of a partition hold, from their headers: which offsets are messages, and since when.

Nothing is decompressed, so that looking costs the same whatever is in a batch. Layout of a batch: Kafka's
documentation of the message format, version 2; older formats are taken for messages without a time.
"""

from collections.abc import Iterable, Iterator, Sequence
from struct import Struct

import attrs

# Offset, length, leader epoch, format, checksum, attributes, last offset's delta, first and last timestamp,
# producer's id and epoch, sequence, number of messages.
_HEADER = Struct(">qiibIhiqqqhii")
_OLD = Struct(">qi")
_FORMAT_AT, _PREFIX = 16, 12
_CODEC, _LOG_TIME, _TRANSACTIONAL, _CONTROL = 0x07, 0x08, 0x10, 0x20
_VARINT_BYTES = 10


@attrs.frozen
class Batch:
    """
    One batch.

    Args:
        offset: of its first message, which may be gone.
        end: the offset after its last.
        timestamp: of its first message, in milliseconds since 1970; None: it has none.
        producer: who made it; -1: nobody says.
        messages: how many it holds.
        transactional: whether it is part of a transaction.
        control: whether it is a marker and holds no message.
        plain: its messages, not compressed; empty when they are, or have all one time.
    """

    offset: int
    end: int
    timestamp: int | None
    producer: int
    messages: int
    transactional: bool
    control: bool
    plain: memoryview

    def time_of(self, offset: int) -> int | None:
        """The timestamp of the first message at *offset* or above; the batch's, where that cannot be seen."""
        if self.timestamp is not None and offset > self.offset:
            for found, delta in _messages(self.plain):
                if self.offset + found >= offset:
                    return self.timestamp + delta
        return self.timestamp


def batches(data: bytes) -> Iterator[Batch]:
    """The batches in a fetch, of which the last may be cut off behind its header."""
    view, at = memoryview(data), 0
    while len(view) - at > _FORMAT_AT:
        length = _PREFIX + _OLD.unpack_from(view, at)[1]
        if length <= _FORMAT_AT:
            return  # this is no batch, and where the next begins nobody knows
        if view[at + _FORMAT_AT] < 2:
            offset = _OLD.unpack_from(view, at)[0]
            yield Batch(offset, offset + 1, None, -1, 1, False, False, view[:0])
        elif min(length, len(view) - at) >= _HEADER.size:
            yield _batch(view[at : at + length])
        at += length


def _batch(view: memoryview) -> Batch:
    fields = _HEADER.unpack_from(view)
    offset, attributes, last, first_time, last_time, producer = (fields[0], *fields[5:10])
    one_time = bool(attributes & _LOG_TIME)
    opaque = one_time or attributes & _CODEC
    return Batch(
        offset,
        offset + last + 1,
        last_time if one_time else first_time,
        producer,
        fields[-1],
        bool(attributes & _TRANSACTIONAL),
        bool(attributes & _CONTROL),
        view[_HEADER.size : _HEADER.size if opaque else None],
    )


def _messages(view: memoryview) -> Iterator[tuple[int, int]]:
    """Each whole message's offset and time, from those of the batch on."""
    at = 0
    while at < len(view):
        length, start = _varint(view, at)
        if start + length > len(view) or length < 3:
            return
        delta, after = _varint(view, start + 1)
        yield _varint(view, after)[0], delta
        at = start + length


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    """A number in Kafka's zigzag notation, and where the next begins."""
    value = 0
    for index, byte in enumerate(view[at : at + _VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at + index + 1
    return -1, len(view)


@attrs.frozen
class Peek:
    """
    What was seen of a partition from an offset on.

    Args:
        first: the offset of the first message; None: there is none below *end*.
        timestamp: its time, in milliseconds since 1970; None: unknown.
        messages: how many there are below *end*, at most.
        end: how far was seen.
    """

    first: int | None
    timestamp: int | None
    messages: int
    end: int


def peek(data: bytes, offset: int, aborted: Iterable[tuple[int, int]]) -> Peek:
    """
    What a fetch shows.

    Args:
        data: the batches, from that with *offset* on.
        offset: what is below has been handled.
        aborted: producer and first offset of each transaction that was given up and reaches in here; empty
            for a reader that is handed the messages of those too.
    """
    first: int | None = None
    timestamp: int | None = None
    messages, end = 0, offset
    for batch in _visible(batches(data), sorted(aborted, key=lambda each: each[1])):
        if batch.end <= offset:
            continue
        end = batch.end
        if not batch.messages:
            continue
        if first is None:
            first, timestamp = max(batch.offset, offset), batch.time_of(offset)
        messages += min(batch.messages, batch.end - max(batch.offset, offset))
    return Peek(first, timestamp, messages, end)


def _visible(found: Iterable[Batch], aborted: Sequence[tuple[int, int]]) -> Iterator[Batch]:
    """The batches; those that no reader is handed count as empty."""
    waiting, given_up = list(aborted), set[int]()
    for batch in found:
        while waiting and waiting[0][1] <= batch.offset:
            given_up.add(waiting.pop(0)[0])
        hidden = batch.control or (batch.transactional and batch.producer in given_up)
        if batch.control:
            given_up.discard(batch.producer)
        yield attrs.evolve(batch, messages=0) if hidden else batch
