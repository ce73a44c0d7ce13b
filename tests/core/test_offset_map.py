"""The offset map: what was finished comes back, and no text makes it say more than that."""

import random
import tracemalloc
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partita.core.finished import Finished
from partita.core.offset_map import BITSET_OFFSETS, LONGEST, MARK, MOST_TRIED, OffsetMap

BASES = st.integers(0, 2**62)
STEPS = st.lists(st.integers(1, 200) | st.integers(1, 2**40), max_size=60)
COUNTERS = st.none() | st.integers(0, 2**31)
FOREIGN = OffsetMap(foreign=True)


def finished_after(base: int, steps: Iterable[int]) -> Finished:
    """Offsets above *base* that lie so far from each other."""
    offsets = [base]
    for step in steps:
        offsets.append(offsets[-1] + step)
    return Finished.of(offsets[1:])


def scattered(base: int, span: int, incomplete: int, seed: int = 1) -> Finished:
    """A span of finished offsets with as many that are not, at random places, the first one among them."""
    chance = random.Random(seed)
    return Finished.all_but(
        base, base + span, [base, *chance.sample(range(base + 1, base + span), incomplete)]
    )


def is_part(part: Finished, whole: Finished) -> bool:
    """Whether everything in *part* is in *whole*."""
    return list((part | whole).runs()) == list(whole.runs())


def signed(body: bytes) -> str:
    """Text that is taken for one of ours, whatever is in it."""
    return MARK + b64encode(zlib.crc32(body).to_bytes(4) + body).decode("ascii")


TRIED = st.dictionaries(st.integers(0, 2**31), st.integers(0, 2**31), max_size=MOST_TRIED)


@given(BASES, STEPS, COUNTERS, TRIED)
def test_what_was_encoded_comes_back(
    base: int, steps: list[int], unclean: int | None, above: dict[int, int]
) -> None:
    """Finished offsets and counters, as far as there are any, in text that fits."""
    finished = finished_after(base, steps)
    tried = {base + offset: attempts for offset, attempts in above.items()}

    text = OffsetMap(finished, unclean, tried).encode(base)
    found = OffsetMap.decode(base, text)

    assert list(found.finished.runs()) == list(finished.runs())
    assert (found.unclean, found.tried, found.foreign) == (unclean, tried, False)
    assert len(text) <= LONGEST


def test_nothing_to_say_is_no_text() -> None:
    """A commit in order has no metadata, as before; what lies below the commit needs no words."""
    assert OffsetMap().encode(5) == ""
    assert OffsetMap(Finished.of([1, 2, 4])).encode(5) == ""
    assert OffsetMap.decode(5, "") == OffsetMap.decode(5, None) == OffsetMap()


@given(BASES, STEPS)
def test_the_committed_offset_itself_may_be_finished(base: int, steps: list[int]) -> None:
    """By a former owner, and not read yet by the one that commits: whoever comes next leaves it out."""
    finished = Finished.of([base]) | finished_after(base, steps)

    found = OffsetMap.decode(base, OffsetMap(finished).encode(base))

    assert list(found.finished.runs()) == list(finished.runs())


@pytest.mark.parametrize("incomplete", [0, 1, 16, 500, 5_000])
def test_twenty_thousand_open_messages_fit(incomplete: int) -> None:
    """Few and many unfinished among them, with nothing left out."""
    finished = scattered(1_000_000, 20_000, incomplete)

    text = OffsetMap(finished).encode(1_000_000)

    assert len(text) <= LONGEST
    assert list(OffsetMap.decode(1_000_000, text).finished.runs()) == list(finished.runs())


def test_sizes_are_those_of_the_shorter_form() -> None:
    """Runs for a few gaps, a deflated bitset for many."""
    lengths = [len(OffsetMap(scattered(10**9, 20_000, each)).encode(10**9)) for each in (16, 500, 5_000)]

    assert lengths[0] < 100
    assert lengths[1] < 1_000
    assert lengths[2] < 3_100


@pytest.mark.parametrize(
    "finished",
    [
        scattered(0, BITSET_OFFSETS, BITSET_OFFSETS // 2),
        Finished.of(range(1, 10**7, 4_001)),
        Finished.of([*range(1, 2_000, 2), *range(10**9, 10**9 + 20_000, 3)]),
        Finished.of(range(1, 2 * BITSET_OFFSETS, 2)),
    ],
    ids=["dense", "far apart", "in two heaps", "longer than a bitset"],
)
def test_when_all_is_too_much_the_front_of_it_is_kept(finished: Finished) -> None:
    """The longest part that fits, from the commit on: exactly what was finished up to there."""
    text = OffsetMap(finished, unclean=1, tried={7: 2}).encode(0)
    found = OffsetMap.decode(0, text)

    kept = found.finished
    assert 1_000 < len(kept.starts) < len(finished.starts)
    assert list(kept.runs())[:-1] == list(finished.runs())[: len(kept.starts) - 1]
    assert is_part(kept, finished)
    assert (found.unclean, found.tried, found.foreign) == (1, {7: 2}, False)
    assert len(text) <= LONGEST


def test_a_bitset_of_the_greatest_length_comes_back() -> None:
    """The limit for what is read is not below what is written."""
    finished = Finished.of([*range(1, BITSET_OFFSETS - 1, 2), BITSET_OFFSETS - 1])

    found = OffsetMap.decode(0, OffsetMap(finished).encode(0)).finished

    assert found.end == BITSET_OFFSETS
    assert list(found.runs()) == list(finished.runs())


@given(STEPS, st.integers(0, LONGEST))
def test_a_cut_text_says_nothing_that_is_not_so(steps: list[int], length: int) -> None:
    """Whoever cuts it, and wherever."""
    finished = finished_after(7, steps)

    found = OffsetMap.decode(7, OffsetMap(finished).encode(7)[:length])

    assert is_part(found.finished, finished)


@given(STEPS, st.data())
def test_a_changed_text_says_nothing_that_is_not_so(steps: list[int], data: st.DataObject) -> None:
    """One character or several, replaced, taken out or put in."""
    finished = finished_after(7, [1, *steps])
    text = OffsetMap(finished, unclean=3).encode(7)
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(len(text), start + 4)))
    changed = text[:start] + data.draw(st.text(max_size=4)) + text[stop:]

    found = OffsetMap.decode(7, changed)

    assert is_part(found.finished, finished)
    assert found.foreign or found == OffsetMap.decode(7, text) or not changed


@given(st.text(max_size=300) | st.text(max_size=300).map(MARK.__add__) | st.binary().map(signed), BASES)
def test_any_text_is_taken(text: str, base: int) -> None:
    """Never an error; what is not ours for this offset says nothing."""
    found = OffsetMap.decode(base, text)

    assert found.foreign or found == OffsetMap() or text.startswith(MARK)


@given(st.binary(max_size=3_000), st.sampled_from([b"\0", b"\1"]))
def test_any_signed_body_is_taken(rest: bytes, kind: bytes) -> None:
    """Behind a right checksum stands whatever somebody put there."""
    found = OffsetMap.decode(9, signed(b"\x09\x00" + kind + rest))

    assert all(start < stop for start, stop in found.finished.runs())


def test_text_for_another_offset_is_foreign() -> None:
    """Tools translate the offset of a commit and keep its metadata; it would name other messages then."""
    text = OffsetMap(Finished.of([12])).encode(10)

    assert OffsetMap.decode(9, text) == FOREIGN
    assert OffsetMap.decode(11, text) == FOREIGN


def test_a_text_that_is_longer_than_ours_is_not_looked_at() -> None:
    """Whatever a broker permits."""
    text = OffsetMap(Finished.of([12])).encode(10)

    assert OffsetMap.decode(10, text + "A" * LONGEST) == FOREIGN


def test_a_later_version_may_name_more_counters() -> None:
    """A name that is not known here is passed over."""
    found = OffsetMap.decode(5, signed(b"\x05\x63\x07\x01\x02\x00\x00\x01\x03"))

    assert found.unclean == 2
    assert list(found.finished.runs()) == [(6, 9)]


@pytest.mark.parametrize(
    "body",
    [
        b"\x05\x00\x02",
        b"\x05\x00\x00\x01\x00",
        b"\x05\x00\x00\x01",
        b"\x05\x00\x00" + b"\xff" * 8 + b"\x7f\x01",
        b"\x05\x00\x00" + b"\xff" * 12,
        b"\x05\x00\x01not deflated",
        b"\x05\x00\x01",
        b"\x05\x01",
        b"\x05",
        b"",
    ],
    ids=[
        *("an unknown form", "an empty run", "half a run", "beyond the highest offset", "an endless number"),
        *("no bitset", "half a bitset", "half a counter", "no counters", "nothing"),
    ],
)
def test_what_is_damaged_behind_a_right_checksum_is_foreign(body: bytes) -> None:
    """All or nothing."""
    assert OffsetMap.decode(5, signed(body)) == FOREIGN


def test_a_bitset_that_would_grow_beyond_any_of_ours_is_not_unpacked() -> None:
    """Four thousand characters can hold megabytes of zeros; they take no memory and no time."""
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bomb = deflate.compress(b"\x55" * 2_500_000) + deflate.flush()
    text = signed(b"\x05\x00\x01" + bomb)
    assert len(text) <= LONGEST

    tracemalloc.start()
    found = OffsetMap.decode(5, text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert found == FOREIGN
    assert peak < 1_000_000


def test_the_costliest_map_takes_little_memory() -> None:
    """Every second offset of the longest bitset."""
    text = OffsetMap(Finished.of(range(1, BITSET_OFFSETS, 2))).encode(0)

    tracemalloc.start()
    found = OffsetMap.decode(0, text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert len(found.finished.starts) == BITSET_OFFSETS // 2
    assert peak < 8_000_000


def test_one_run_may_be_as_long_as_offsets_go() -> None:
    """Runs are never counted out one by one."""
    found = OffsetMap.decode(5, OffsetMap(Finished([6], [2**62])).encode(5)).finished

    assert 2**61 in found
    assert found.end == 2**62


def test_a_negative_counter_is_refused() -> None:
    """Rather than written as something else."""
    with pytest.raises(ValueError, match="-1"):
        OffsetMap(unclean=-1).encode(5)


def test_the_text_is_plain_ascii_with_its_version_first() -> None:
    """It goes through every broker and tool, and a later version can be told from this one."""
    text = OffsetMap(Finished.of([6])).encode(5)

    assert text.startswith("P1")
    assert b64decode(text[2:], validate=True)
