"""
The offset map: what is stored with a commit, so that a restart repeats unfinished messages only.

A commit says that everything below its offset is finished. The map says what else is finished, in at
most 4,096 characters of text, which is what Kafka keeps beside an offset by default.

    "P1"                                      whose it is, and the version
    base64 of:
      CRC-32 of all that follows              4 bytes
      the commit's offset                     varint
      counters: a name and a number each      varints, ended by the name 0; unknown names are passed over
      runs: the unfinished before and the finished in each, in turn     varints, when it is shorter
      or a bitset from the commit's offset on, deflated                 else

What the map does not mention counts as unfinished. So a part of it may be left out: when all is too much,
what fits is kept, from the commit's offset on. And whatever is not exactly a map of ours that belongs to
this offset reads as an empty one: tools copy metadata from offset to offset (MirrorMaker translates the
offset and keeps the metadata), cut it, or write their own.
"""

import re
import zlib
from array import array
from base64 import b64decode, b64encode
from collections.abc import Mapping
from itertools import takewhile

import attrs

from partita.core.finished import Finished

LONGEST = 4096
MARK = "P1"
BITSET_OFFSETS = 2**18
_ROOM = (LONGEST - len(MARK)) // 4 * 3
_RUNS, _BITSET = 0, 1
_UNCLEAN, _ATTEMPTS, _TRIED = 1, 2, 3
MOST_TRIED = 16
_HIGHEST = 2**63 - 1
_VARINT_BYTES = 9
_CHECK_BYTES = 4
_ONES = re.compile("1+")


class _Damaged(ValueError):
    """This is not one of our maps, or not all of one."""


@attrs.frozen
class OffsetMap:
    """
    What a commit says beside its offset.

    Args:
        finished: the finished offsets; those below the commit's need not be named.
        unclean: assignments that ended without a clean leave since the offset last moved; None: not said.
        tried: attempts of messages that were begun and did not end, by offset; at most 16 are stored.
        foreign: whether there was metadata that is not a map of ours for this offset.
    """

    finished: Finished = attrs.field(factory=Finished)
    unclean: int | None = None
    tried: Mapping[int, int] = attrs.field(factory=dict)
    foreign: bool = False

    def encode(self, base: int) -> str:
        """
        The text to store with a commit of *base*; "" when there is nothing to say.

        Raises:
            ValueError: a counter is negative.
        """
        # The committed offset too: a former owner may have finished it before it was read here.
        above = self.finished.above(base - 1)
        if not above and self.unclean is None and not self.tried:
            return ""
        head = _varint(base)
        if self.unclean is not None:
            head += _varint(_UNCLEAN) + _varint(self.unclean)
        for offset, attempts in sorted(self.tried.items())[:MOST_TRIED]:
            head += _varint(_TRIED) + _varint(offset - base) + _varint(_ATTEMPTS) + _varint(attempts)
        head += _varint(0)
        body = head + _longest(above, base, _ROOM - _CHECK_BYTES - len(head))
        return MARK + b64encode(zlib.crc32(body).to_bytes(_CHECK_BYTES) + body).decode("ascii")

    @classmethod
    def decode(cls, base: int, text: str | None) -> "OffsetMap":
        """
        What *text*, which stood beside a commit of *base*, says. Takes any text and never raises.

        Takes at most a few milliseconds and a few megabytes, whatever the text is.
        """
        if not text:
            return cls()
        try:
            return _read(base, text)
        except ValueError:
            return cls(foreign=True)


def _read(base: int, text: str) -> OffsetMap:
    if len(text) > LONGEST or not text.startswith(MARK):
        raise _Damaged
    data = b64decode(text[len(MARK) :], validate=True)
    check, body = data[:_CHECK_BYTES], _Reader(data[_CHECK_BYTES:])
    if zlib.crc32(body.left).to_bytes(_CHECK_BYTES) != check or body.number() != base:
        raise _Damaged
    unclean, tried, latest = None, dict[int, int](), base
    while name := body.number():
        number = body.number()
        if name == _UNCLEAN:
            unclean = number
        elif name == _TRIED:
            latest = base + number
        elif name == _ATTEMPTS:
            tried[latest] = number
    kind = body.number()
    if kind not in (_RUNS, _BITSET):
        raise _Damaged
    finished = _from_runs(body, base) if kind == _RUNS else _from_bitset(body.left, base)
    return OffsetMap(finished, unclean, tried)


@attrs.define
class _Reader:
    """Takes numbers off the front of some bytes."""

    left: bytes

    def number(self) -> int:
        """The next number."""
        number = 0
        for at, byte in enumerate(self.left[:_VARINT_BYTES]):
            number |= (byte & 0x7F) << 7 * at
            if byte < 0x80:
                self.left = self.left[at + 1 :]
                return number
        raise _Damaged


def _varint(number: int) -> bytes:
    if not 0 <= number <= _HIGHEST:
        raise ValueError(f"{number} is not a number from 0 to {_HIGHEST}")
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _longest(finished: Finished, base: int, room: int) -> bytes:
    """The shorter form of all, else whichever form has more of it in *room* bytes."""
    runs, runs_end = _as_runs(finished, base, room)
    if runs_end == finished.end and len(runs) < room // 8:
        return runs  # a bitset would hardly be shorter, and costs more to make
    bitset, bitset_end = _as_bitset(finished, base, room)
    return min((-runs_end, len(runs), runs), (-bitset_end, len(bitset), bitset))[-1]


def _as_runs(finished: Finished, base: int, room: int) -> tuple[bytes, int]:
    """As many runs as fit, and where the last of them stops."""
    out, end = bytearray(_varint(_RUNS)), base
    for start, stop in finished.runs():
        pair = _varint(start - end) + _varint(stop - start)
        if len(out) + len(pair) > room:
            break
        out += pair
        end = stop
    return bytes(out), end


def _from_runs(body: _Reader, base: int) -> Finished:
    starts, stops, end = array("q"), array("q"), base
    while body.left:
        start = end + body.number()
        end = start + body.number()
        if start == end or end > _HIGHEST:
            raise _Damaged
        starts.append(start)
        stops.append(end)
    return Finished(starts, stops)


def _as_bitset(finished: Finished, base: int, room: int) -> tuple[bytes, int]:
    """The front of the bitset, as much of it as fits, and where its last finished run stops."""
    limit, end = base + BITSET_OFFSETS, base
    parts: list[str] = []
    for start, stop in takewhile(lambda run: run[0] < limit, finished.runs()):
        parts += ["0" * (start - end), "1" * (min(stop, limit) - start)]
        end = min(stop, limit)
    bits = "".join(parts)
    while len(packed := _packed(bits)) > room:
        # What is left out compresses about as well as what stays, so one or two turns are enough.
        bits = bits[: len(bits) * room // len(packed) * 15 // 16].rstrip("0")
    return packed, base + len(bits)


def _packed(bits: str) -> bytes:
    raw = int(bits[::-1] or "0", 2).to_bytes((len(bits) + 7) // 8, "little")
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return _varint(_BITSET) + deflate.compress(raw) + deflate.flush()


def _from_bitset(packed: bytes, base: int) -> Finished:
    inflate = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        raw = inflate.decompress(packed, BITSET_OFFSETS // 8 + 1)
    except zlib.error as error:
        raise _Damaged from error
    if not inflate.eof:
        raise _Damaged  # cut, or it would be larger than any that we write
    bits = f"{int.from_bytes(raw, 'little'):b}"[::-1]
    starts, stops = array("q"), array("q")
    for run in _ONES.finditer(bits):
        starts.append(base + run.start())
        stops.append(base + run.end())
    return Finished(starts, stops)
