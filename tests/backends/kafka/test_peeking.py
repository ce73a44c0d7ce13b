"""What batches show by their headers, made by the client's own builder."""

from collections.abc import Sequence

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from partita.backends.kafka.peeking import Peek, batches, peek

LATER = 1_700_000_000_000
_GZIP = 1
_ATTRIBUTES_AT, _OFFSET_BYTES = 21, 8
_CONTROL = 0x20


def batch(
    offset: int, times: Sequence[int], *, codec: int = 0, producer: int = -1, control: bool = False
) -> bytes:
    """A batch whose first message has *offset*, with a message for each of *times*."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=producer >= 0,
        producer_id=producer,
        producer_epoch=0,
        base_sequence=0,
        batch_size=1 << 20,
    )
    for index, time in enumerate(times):
        builder.append(index, time, b"key", b"value" * 10, [("name", b"header")])
    made = bytearray(builder.build())
    made[:_OFFSET_BYTES] = offset.to_bytes(_OFFSET_BYTES, "big")
    if control:
        made[_ATTRIBUTES_AT + 1] |= _CONTROL
    return bytes(made)


def test_the_first_message_at_the_offset_or_above_is_found_with_its_time() -> None:
    """In the middle of a batch too; batches below it count for nothing."""
    data = batch(0, [1, 2]) + batch(2, [10, 20, 15, 40]) + batch(9, [50])

    assert peek(data, 4, ()) == Peek(4, 15, 3, 10)
    assert peek(data, 6, ()) == Peek(9, 50, 1, 10)
    assert peek(data, 10, ()) == Peek(None, None, 0, 10)


@given(st.lists(st.integers(0, LATER), min_size=1, max_size=30), st.integers(0, 30))
def test_times_are_read_as_the_client_writes_them(times: list[int], offset: int) -> None:
    """Whatever they are, backwards too."""
    seen = peek(batch(0, times), offset, ())

    first = offset if offset < len(times) else None
    assert (seen.first, seen.timestamp) == (first, None if first is None else times[first])
    assert seen.messages == max(0, len(times) - offset)


def test_a_compressed_batch_is_not_opened() -> None:
    """Its first message's time stands for all, so that nothing in it can hurt."""
    assert peek(batch(5, [10, 20, 30], codec=_GZIP), 7, ()) == Peek(7, 10, 1, 8)


def test_markers_and_what_was_given_up_are_no_messages() -> None:
    """A reader is handed neither; what another producer, or the same one later, has written is one."""
    aborted = (
        batch(0, [1, 2], producer=7) + batch(2, [3], producer=8) + batch(3, [4], producer=7, control=True)
    )
    later = batch(4, [5], producer=7) + batch(5, [6], producer=7, control=True)

    assert peek(aborted + later, 0, [(7, 0)]) == Peek(2, 3, 2, 6)
    assert peek(aborted + later, 3, [(7, 0)]) == Peek(4, 5, 1, 6)
    assert peek(aborted, 3, [(7, 0)]) == Peek(None, None, 0, 4)
    assert peek(aborted + later, 0, ()).messages == 4


def test_a_batch_that_is_cut_off_is_known_by_its_header() -> None:
    """A broker cuts where there is no more room; without a whole header there is nothing."""
    whole = batch(3, list(range(100, 200)))

    assert peek(whole[:500], 3, ()) == Peek(3, 100, 100, 103)
    assert peek(whole[:500], 90, ()).timestamp == 100
    assert peek(whole[:60], 3, ()) == Peek(None, None, 0, 3)
    assert peek(b"", 3, ()) == Peek(None, None, 0, 3)


def test_an_older_format_is_a_message_without_a_time() -> None:
    """Offset and size stand where they always stood."""
    old = (8).to_bytes(8, "big") + (20).to_bytes(4, "big") + bytes(4) + b"\x01" + bytes(15)

    assert peek(old + batch(9, [5]), 0, ()) == Peek(8, None, 2, 10)


@pytest.mark.parametrize("filling", [b"\x00", b"\xff", b"\x80", b"\x01\x02\x03"])
def test_whatever_is_read_it_ends(filling: bytes) -> None:
    """A broker that answers nonsense costs a bounded number of steps."""
    header = batch(0, [1])[:61]
    data = header + filling * 1_000

    assert len(list(batches(filling * 1_000))) < 1_000
    peek(data, 5, [(1, 2)])
