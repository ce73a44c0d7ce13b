"""
The records in what was fetched, read one batch after the other when they are asked for.

Nothing is done per record but what the client's compiled parser does. A batch or a record that cannot be
read comes as `Damaged` in its place, and those behind it follow.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import dropwhile, repeat
from operator import length_hint
from typing import Any

import attrs
from aiokafka.record.control_record import ABORT_MARKER, ControlRecord
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.util import calc_crc32c

from partita.backends.kafka.damaged import Frame, read_on
from partita.backends.kafka.decompression import CodecMissing, UnpackLimits, unpack
from partita.backends.kafka.fetched import HEADER, LENGTH_ENDS, Fetched
from partita.backends.kafka.records import Damaged, built
from partita.core.errors import DecodeError
from partita.core.ports import Flaw, TopicPartition

SHORTEST_RECORD = 7  # bytes beside key and value
CHECKED_FROM = 21  # in the header, what comes after the checksum
_ATTRIBUTES_LOW = 22
_CODEC, _LOG_TIME, _TRANSACTIONAL, _CONTROL = 0x07, 0x08, 0x10, 0x20


def checksum() -> Callable[[Any], int]:
    """CRC-32C in hardware where the package `crc32c` is installed, else the client's own."""
    if find_spec("crc32c") is None:
        return calc_crc32c
    found: Callable[[Any], int] = import_module("crc32c").crc32c
    return found


class Unreadable(Exception):
    """A whole batch cannot be read."""


@attrs.frozen(eq=False)
class BatchPlace:
    """A batch where it lies: its bytes, and what its header says; see `fetched.HEADER`."""

    view: memoryview
    base: int
    crc: int
    attributes: int
    last_delta: int
    first_timestamp: int
    max_timestamp: int
    producer: int
    count: int

    @property
    def payload_bytes(self) -> int:
        """Bytes of keys and values, as if short, or of the whole as it is packed."""
        packed = len(self.view) - HEADER.size
        return packed if self.attributes & _CODEC else max(0, packed - SHORTEST_RECORD * self.count)

    @property
    def frame(self) -> Frame:
        """What the header says about the records."""
        log_time = self.max_timestamp if self.attributes & _LOG_TIME else None
        last = self.base + self.last_delta
        return Frame(self.base, last, self.count, self.first_timestamp, log_time)


@attrs.frozen(eq=False)
class Unpacker:
    """
    Reads what was fetched.

    Args:
        limits: how large a batch may become.
        crc: computes checksums.
    """

    limits: UnpackLimits = attrs.field(factory=UnpackLimits)
    crc: Callable[[Any], int] = attrs.field(factory=checksum)

    def extent(self, fetched: Fetched) -> tuple[int, int]:
        """
        The offset after the last whole batch, and about how many bytes of keys and values there are.

        The offset is told before anything is read, so the last header has to be true: a wrong one would
        have the client go on behind messages that nobody has seen.
        """
        last, size = None, 0
        for last in places(fetched.raw):
            size += last.payload_bytes
        if last is None:
            return fetched.start, 0
        reach = last.last_delta + 1
        if fetched.checked and self.crc(last.view[CHECKED_FROM:]) != last.crc:
            reach = max(1, min(reach, last.count))
        return max(fetched.start, last.base + reach), size

    def records(self, fetched: Fetched) -> Iterator[Any]:
        """The records; aborted ones and markers are left out."""
        at, start, dropping = fetched.partition, fetched.start, set[int]()
        aborted = fetched.aborted if fetched.committed_only else []
        for place in places(fetched.raw):
            try:
                self._check(place, fetched.checked)
                if fetched.committed_only and _is_left_out(place, aborted, dropping):
                    continue
                if place.attributes & _CONTROL:
                    continue
                payload = self._plain(place)
                batch = DefaultRecordBatch(payload)
            except Unreadable as error:
                yield self._damaged(at, place, start, error)
                continue
            # Counted in the client's own loop: a record that cannot be read is not counted.
            counter = repeat(at, place.count)
            pairs: Iterator[Any] = zip(batch, counter, strict=False)
            if place.base < start:
                pairs = dropwhile(lambda pair: pair[0].offset < start, pairs)
            try:
                yield from built(pairs)
            except Exception as error:  # noqa: BLE001 - whatever the client's parser raises, the rest is read
                read = place.count - length_hint(counter)
                rest = memoryview(payload)[HEADER.size :]
                yield from (
                    each for each in read_on(at, rest, place.frame, read, error) if each.offset >= start
                )

    def _check(self, place: BatchPlace, checked: bool) -> None:
        if checked and self.crc(place.view[CHECKED_FROM:]) != place.crc:
            raise Unreadable("its checksum is wrong")

    def _plain(self, place: BatchPlace) -> memoryview | bytearray:
        """The batch as it was before it was compressed."""
        codec = place.attributes & _CODEC
        if not codec:
            return place.view
        try:
            records = unpack(codec, place.view[HEADER.size :], self.limits)
        except Exception as error:
            raise Unreadable(str(error)) from error
        plain = bytearray(place.view[: HEADER.size])
        plain[_ATTRIBUTES_LOW] &= ~_CODEC
        plain += records
        return plain

    def _damaged(self, at: TopicPartition, place: BatchPlace, start: int, error: Exception) -> Damaged:
        first = max(place.base, start)
        last = max(first, place.base + min(place.last_delta, max(0, place.count - 1)))
        said = f"the batch of the offsets {first} to {last} cannot be read: {error}"
        remains = None if isinstance(error.__cause__, CodecMissing) else bytes(place.view)
        return Damaged(*at, first, place.first_timestamp, Flaw(DecodeError(said), last, remains))


def places(raw: bytes) -> Iterator[BatchPlace]:
    """Each whole batch, in order."""
    view, position, end = memoryview(raw), 0, len(raw)
    while position + HEADER.size <= end:
        base, length, _, _, crc, attributes, last, first_time, max_time, producer, _, _, count = (
            HEADER.unpack_from(raw, position)
        )
        following = position + LENGTH_ENDS + length
        if following > end or length < HEADER.size - LENGTH_ENDS:
            return
        yield BatchPlace(
            view[position:following], base, crc, attributes, last, first_time, max_time, producer, count
        )
        position = following


def _is_left_out(place: BatchPlace, aborted: list[tuple[int, int]], dropping: set[int]) -> bool:
    """Whether a batch belongs to a transaction that was aborted; decided as the client does."""
    while aborted and aborted[0][1] <= place.base:
        dropping.add(aborted.pop(0)[0])
    if place.attributes & _CONTROL:
        marker = next(iter(DefaultRecordBatch(place.view)), None)
        if marker is not None and ControlRecord.parse(marker.key or b"") == ABORT_MARKER:
            dropping.discard(place.producer)
        return True
    return bool(place.attributes & _TRANSACTIONAL) and place.producer in dropping
