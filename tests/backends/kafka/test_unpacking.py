"""What is read lazily is byte for byte what the client reads; what the client cannot read has an outcome."""

import copy
import pickle
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import ConsumerRecord
from tests.backends.kafka.batches import (
    CODECS,
    TIME,
    USUAL,
    Fields,
    batch,
    bomb,
    broken,
    changed,
    fetched,
    foul,
    marker,
    ours,
    theirs,
)

from partita.backends.kafka import unpacking
from partita.backends.kafka.decompression import UnpackLimits
from partita.backends.kafka.records import Damaged, KafkaReader
from partita.backends.kafka.unpacking import Unpacker

NAMED: Sequence[Fields] = [(b"%d" % n, b"value %d" % n, [("name", b"1")]) for n in range(5)]
WELL: Sequence[tuple[str, bytes, int, Sequence[tuple[int, int]]]] = [
    *((name, batch(0, codec=name) + batch(4, codec=name), 0, ()) for name in CODECS),
    *((f"{name} from the middle", batch(0, codec=name), 2, ()) for name in CODECS),
    ("begins below what was asked for", batch(10) + batch(14), 13, ()),
    ("cut off behind a whole batch", batch(0) + batch(4)[:-7], 0, ()),
    ("compacted", batch(0, offsets=(3, 5, 6, 20)) + batch(40), 0, ()),
    ("committed", batch(0, producer=7) + marker(4, 7, commit=True) + batch(5), 0, ()),
    ("aborted", batch(0, producer=7) + marker(4, 7, commit=False) + batch(5), 0, [(7, 0)]),
    ("two producers, one aborted", batch(0, producer=7) + batch(4, producer=8) + marker(8, 7, commit=False)
     + batch(9, producer=7) + marker(13, 8, commit=True), 0, [(7, 0)]),
    ("ends with a marker", batch(0, producer=7) + marker(4, 7, commit=True), 0, ()),
    ("only a marker", marker(4, 7, commit=True), 4, ()),
    ("only what was aborted", batch(0, producer=7) + marker(4, 7, commit=False), 0, [(7, 0)]),
    ("times of the log", changed(batch(0), attributes=0x08), 0, ()),
    ("one record", batch(0, [(None, b"x", [])]), 0, ()),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "start", "aborted"), [each[1:] for each in WELL], ids=[e[0] for e in WELL])
def test_the_lazy_way_reads_what_the_client_reads(
    raw: bytes, start: int, aborted: Sequence[tuple[int, int]]
) -> None:
    """Whoever is handed our records may rely on them as on the client's own."""
    records, end = theirs(raw, start, aborted)

    found = ours(raw, start, aborted)

    assert found == records
    assert [repr(each) for each in found] == [repr(each) for each in records]
    assert Unpacker().extent(fetched(raw, start))[0] == end


@pytest.mark.parametrize("crc", [unpacking.checksum(), calc_crc32c], ids=["hardware", "client"])
def test_the_checksum_is_compared_with_either_library(crc: Any) -> None:
    """Whether crc32c is installed decides how long it takes, and nothing else."""
    sound, damaged = ours(batch(0), crc=crc), ours(broken(batch(0)), crc=crc)

    assert len(sound) == len(USUAL)
    assert [type(each) for each in damaged] == [Damaged]


def test_a_record_is_the_clients_to_whoever_looks_at_it() -> None:
    """Handlers annotated with ConsumerRecord pass it on, copy it and compare it."""
    record: object = ours(batch(0))[0]
    plain = theirs(batch(0))[0][0]

    assert isinstance(record, ConsumerRecord)
    assert record == plain
    assert plain == record
    assert type(copy.copy(record)) is type(pickle.loads(pickle.dumps(record))) is ConsumerRecord
    assert pickle.loads(pickle.dumps(record)) == plain


def test_a_field_of_a_record_can_be_set_and_replaced_as_the_clients_can() -> None:
    """Interceptors hand on the record that they were given, changed or not."""
    record, plain = ours(batch(0))[0], theirs(batch(0))[0][0]

    other = replace(record, value=b"new")
    record.value = plain.value = b"other"

    assert type(other) is ConsumerRecord
    assert (other.value, other.key, other.offset) == (b"new", b"key", 0)
    assert record == plain
    assert (record.topic, record.partition) == ("orders", 3)


@pytest.mark.parametrize("codec", CODECS)
def test_a_header_whose_name_is_no_text_costs_its_own_record_only(codec: str) -> None:
    """The client raises at it for ever, and what stands behind it in its batch cannot be reached (K11)."""
    raw = batch(0, NAMED)
    at = raw.index(b"name", raw.index(b"value 2"))
    plain = changed(raw, records=raw[61:at] + b"na\xff\xfe" + raw[at + 4 :])
    packed = plain if codec == "none" else _packed(plain, codec)

    found = ours(packed + batch(5))

    bad = found[2]
    assert [each.offset for each in found] == list(range(9))
    assert [type(each) is Damaged for each in found] == [n == 2 for n in range(9)]
    assert found[:2] + found[3:5] == [each for n, each in enumerate(ours(raw)) if n != 2]
    assert (bad.key, bad.flaw.remains, bad.timestamp) == (b"2", b"value 2", TIME + 2)
    assert KafkaReader.headers(bad) == (("na\\xff\\xfe", b"1"),)
    assert bad.flaw.last_offset == 2


def _packed(plain: bytes, codec: str) -> bytes:
    from aiokafka import codec as codecs

    packed = getattr(codecs, f"{codec}_encode")(plain[61:])
    return changed(plain, attributes=CODECS[codec], records=bytes(packed))


def test_a_damaged_batch_is_one_message_with_its_bytes_and_the_next_is_read() -> None:
    """A bad checksum stops the client for good."""
    raw = broken(batch(4))

    found = ours(batch(0) + raw + batch(8))

    bad = found[4]
    assert [each.offset for each in found] == [0, 1, 2, 3, 4, 8, 9, 10, 11]
    assert (bad.flaw.last_offset, bad.flaw.remains) == (7, raw)
    assert "offsets 4 to 7" in str(bad.flaw.error)
    assert "checksum" in str(bad.flaw.error)


def test_where_to_go_on_is_not_believed_without_its_checksum() -> None:
    """A header that says too much would have the messages behind it left out."""
    made = bytearray(batch(0))
    made[26] = 200  # the last offset delta

    end, _ = Unpacker().extent(fetched(bytes(made)))

    assert end == len(USUAL)


def test_without_checks_nothing_is_compared() -> None:
    """`check_crcs=false` is the user's word."""
    found = [*Unpacker().records(fetched(broken(batch(0, NAMED)), checked=False))]

    assert len(found) == len(NAMED)


@pytest.mark.parametrize("limits", [UnpackLimits(), UnpackLimits(bytes=1 << 20)])
def test_a_compression_bomb_is_refused_before_it_goes_off(limits: UnpackLimits) -> None:
    """Six kilobytes must not take 200 MB; the batch keeps its coordinates."""
    found = ours(bomb(10) + batch(14), limits=limits)

    assert [each.offset for each in found] == [10, 14, 15, 16, 17]
    assert "above the limit" in str(found[0].flaw.error)
    assert found[0].flaw.last_offset == 13


def test_records_that_lie_about_their_length_lose_what_is_behind_them_only() -> None:
    """Where the next record begins is not known then; the batch behind it is."""
    raw = batch(0, NAMED)
    second = raw.index(b"value 1")
    records = bytearray(raw[61:])
    records[second - 61 - 7] = 0xFE  # the length of the record, or what stands before its key
    found = ours(changed(raw, records=bytes(records)) + batch(5))

    kinds = [type(each) is Damaged for each in found]
    assert kinds[0] is False
    assert kinds.count(True) >= 1
    assert [each.offset for each in found][-4:] == [5, 6, 7, 8]
    assert [each.offset for each in found] == sorted({each.offset for each in found})


@pytest.mark.parametrize("at", range(0, 160, 3))
def test_whatever_byte_is_wrong_the_reader_goes_on(at: int) -> None:
    """A writer that computes its checksums right may still write nonsense."""
    raw = batch(0, NAMED)
    records = bytearray(raw[61:])
    records[at % len(records)] ^= 0xFF

    found = ours(changed(raw, records=bytes(records)) + batch(5))

    assert [each.offset for each in found[-4:]] == [5, 6, 7, 8]


def test_an_unknown_codec_is_told_with_its_number() -> None:
    """A codec of tomorrow is no reason to stop for ever."""
    found = ours(changed(batch(0), attributes=6))

    assert "unknown codec 6" in str(found[0].flaw.error)


def test_a_foul_name_at_the_end_of_a_batch_is_found_too() -> None:
    """The last record of a batch is a record like any."""
    found = ours(foul(batch(0, [(None, b"v", [("name", b"1")])]), b"name", b"\xff\xfe\xfd\xfc"))

    assert [type(each) for each in found] == [Damaged]
