"""Batches as brokers keep them, whole and damaged, made by the client's own builder."""

import struct
from collections.abc import Sequence
from typing import Any

import cramjam
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import ConsumerRecord
from aiokafka.structs import TopicPartition as KafkaPartition

from partita.backends.kafka.fetched import Fetched
from partita.backends.kafka.unpacking import Unpacker
from partita.core.ports import TopicPartition

AT = TopicPartition("orders", 3)
TIME = 1_700_000_000_000
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
# Key, value, headers.
Fields = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]
USUAL: Sequence[Fields] = [
    (b"key", b"value" * 50, [("a", b"1"), ("a", None), ("", b"")]),
    (None, None, []),
    (b"", b"", [("b", b"\x00\xff")]),
    (b"\xff", b"x" * 3000, []),
]
_CONTROL, _LENGTH, _CRC, _ATTRIBUTES = 0x20, 8, 17, 21


def batch(
    base: int,
    fields: Sequence[Fields] = USUAL,
    codec: str = "none",
    *,
    producer: int = -1,
    offsets: Sequence[int] | None = None,
) -> bytes:
    """A batch in the format v2; *offsets* count from *base*, a *producer* is in a transaction."""
    builder: Any = DefaultRecordBatchBuilder(
        2, CODECS[codec], int(producer >= 0), producer, 0, 0 if producer >= 0 else -1, 1 << 26
    )
    for offset, (key, value, headers) in zip(offsets or range(len(fields)), fields, strict=False):
        builder.append(offset, TIME + offset, key, value, headers)
    return based(bytes(builder.build()), base)


def based(raw: bytes, base: int) -> bytes:
    """A batch that begins at *base*, which the broker says and no checksum covers."""
    return struct.pack(">q", base) + raw[8:]


def marker(base: int, producer: int, *, commit: bool) -> bytes:
    """The end of a transaction."""
    fields: list[Fields] = [(struct.pack(">HH", 0, int(commit)), b"\x00" * 6, [])]
    return changed(batch(base, fields, producer=producer), attributes=_CONTROL)


def changed(raw: bytes, *, attributes: int = 0, records: bytes | None = None) -> bytes:
    """A batch with more attributes, or with other records; its checksum is right again."""
    made = bytearray(raw if records is None else raw[:61] + records)
    struct.pack_into(">i", made, _LENGTH, len(made) - 12)
    made[_ATTRIBUTES + 1] |= attributes
    struct.pack_into(">I", made, _CRC, calc_crc32c(bytes(made[_ATTRIBUTES:])))
    return bytes(made)


def foul(raw: bytes, what: bytes, instead: bytes) -> bytes:
    """A batch whose records hold *instead* of *what*, as a client that checks nothing would write it."""
    assert what in raw[61:]
    assert len(what) == len(instead)
    return changed(raw, records=raw[61:].replace(what, instead))


def broken(raw: bytes) -> bytes:
    """A batch with one bit that is another; its checksum tells."""
    made = bytearray(raw)
    made[-5] ^= 1
    return bytes(made)


def bomb(base: int, megabytes: int = 200) -> bytes:
    """A few kilobytes of zstd that become that much."""
    packed = bytes(cramjam.zstd.compress(bytes(megabytes << 20)))
    return changed(based(batch(0), base), attributes=CODECS["zstd"], records=packed)


def old(base: int, values: Sequence[bytes]) -> bytes:
    """Messages in the format v1."""
    builder: Any = LegacyRecordBatchBuilder(1, 0, 1 << 20)
    for number, value in enumerate(values):
        builder.append(base + number, TIME, None, value)
    return bytes(builder.build())


def fetched(raw: bytes, start: int = 0, aborted: Sequence[tuple[int, int]] = (), **more: Any) -> Fetched:
    """These bytes as they are taken from the client."""
    given = {"committed_only": True, "checked": True, **more}
    return Fetched(
        AT, raw, start, sorted(aborted, key=lambda each: each[1]), consumed=lambda end: None, **given
    )


def ours(raw: bytes, start: int = 0, aborted: Sequence[tuple[int, int]] = (), **more: Any) -> list[Any]:
    """What our reader makes of them."""
    return [*Unpacker(**more).records(fetched(raw, start, aborted))]


def theirs(
    raw: bytes, start: int = 0, aborted: Sequence[tuple[int, int]] = ()
) -> tuple[list["ConsumerRecord[bytes, bytes]"], int]:
    """What the client makes of them, and where it goes on."""
    make: Any = PartitionRecords
    reader = make(
        KafkaPartition(*AT), MemoryRecords(raw), list(aborted), start, None, None, True, READ_COMMITTED
    )
    return [*reader], reader.next_fetch_offset
