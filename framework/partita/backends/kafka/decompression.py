"""What a batch is when it is unpacked, within a limit: a few kilobytes may say that they are gigabytes."""

import zlib
from collections.abc import Callable, Mapping
from importlib import import_module
from struct import Struct
from typing import Any

import attrs
from aiokafka import codec

MEBIBYTE = 1024 * 1024
# A batch of up to so many bytes is unpacked whatever its ratio: zeros shrink to nothing, and are harmless.
FREE_BYTES = 4 * MEBIBYTE
INSTALL = "pip install 'partita[codecs]'"
CODECS: Mapping[int, str] = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER = 16
_BLOCK_LENGTH_SIZE = 4
_block_length = Struct(">i").unpack_from
_USUAL_RATIO = 8  # beyond it lz4 and zstd begin anew, with room for all that may be
_GZIP = zlib.MAX_WBITS | 16


class CodecMissing(Exception):
    """The library for a codec is not installed."""


class TooLarge(Exception):
    """What would come out is above the limit."""


@attrs.frozen
class UnpackLimits:
    """
    How large a compressed batch may become.

    Args:
        bytes: of one batch, unpacked. Default 32 MiB.
        ratio: unpacked bytes for each byte of the batch; a batch of up to 4 MiB may have any. Default 200.
    """

    bytes: int = 32 * MEBIBYTE
    ratio: int = 200

    def of(self, size: int) -> int:
        """The most bytes that *size* bytes may become."""
        return min(self.bytes, max(FREE_BYTES, self.ratio * size))


def unpack(number: int, packed: memoryview, limits: UnpackLimits) -> bytes | bytearray | memoryview:
    """
    The unpacked records of a batch.

    Args:
        number: of the codec, as it stands in the batch.
        packed: the records as they arrived.
        limits: how much may come out.

    Raises:
        CodecMissing: the text says how to install it.
        TooLarge: the text says the limit.
        Exception: it is damaged.
    """
    name = CODECS.get(number)
    if name is None:
        raise ValueError(f"it is in the unknown codec {number}")
    most = limits.of(len(packed))
    if name == "gzip":
        return _gunzip(packed, most)
    if not installed(name):
        raise CodecMissing(f"it is compressed with {name}, which is not installed: {INSTALL}")
    unpacked: bytearray | memoryview = _UNPACK[name](getattr(import_module("cramjam"), name), packed, most)
    return unpacked


def installed(name: str) -> bool:
    """Whether the library for a codec is there, in the client's opinion, which needs it too."""
    return bool(getattr(codec, f"has_{name}")())


def _gunzip(packed: memoryview, most: int) -> bytes:
    """Several members may follow each other."""
    parts, rest, left = list[bytes](), bytes(packed), most
    while rest:
        stream = zlib.decompressobj(_GZIP)
        part = stream.decompress(rest, left + 1)
        if len(part) > left:
            raise _too_large(most)
        if not stream.eof:
            raise ValueError("it ends in the middle")
        parts.append(part)
        left, rest = left - len(part), stream.unused_data
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _unsnappy(library: Any, packed: memoryview, most: int) -> memoryview | bytearray:
    """One block, or several with their lengths, as Java's clients write them."""
    if bytes(packed[: len(_XERIAL)]) != _XERIAL:
        return _block(library, packed, most)
    whole, at = bytearray(), _XERIAL_HEADER
    while at < len(packed):
        length = _block_length(packed, at)[0]
        at += _BLOCK_LENGTH_SIZE
        if not 0 <= length <= len(packed) - at:
            raise ValueError("it ends in the middle")
        whole += _block(library, packed[at : at + length], most - len(whole))
        at += length
    return whole


def _block(library: Any, packed: memoryview, most: int) -> memoryview:
    size = library.decompress_raw_len(packed)
    if size > most:
        raise _too_large(most)
    block = bytearray(size)
    return memoryview(block)[: library.decompress_raw_into(packed, block)]


def _unlz4(library: Any, packed: memoryview, most: int) -> memoryview:
    return _into(library, packed, _USUAL_RATIO * len(packed), most)


def _unzstd(library: Any, packed: memoryview, most: int) -> memoryview:
    """The first frame says how large it will be, mostly; a window above the limit is memory, too."""
    size, window = zstd_sizes(packed)
    if max(size or 0, window) > most:
        raise _too_large(most)
    return _into(library, packed, _USUAL_RATIO * len(packed) if size is None else size, most)


def _into(library: Any, packed: memoryview, likely: int, most: int) -> memoryview:
    """Unpack into so much memory as it will *likely* need; if that is not enough, into as much as may be."""
    for room in (min(likely, most), most):
        space = bytearray(room)
        try:
            return memoryview(space)[: library.decompress_into(packed, space)]
        except Exception as error:
            # cramjam 2.14 has one class for all that goes wrong.
            if "whole buffer" not in str(error):
                raise
    raise _too_large(most)


def zstd_sizes(packed: memoryview) -> tuple[int | None, int]:
    """
    How many bytes the first frame says that it holds (None: it does not say), and the window it asks for;
    RFC 8878, 3.1.1.1. A frame that may be skipped holds nothing.
    """
    if len(packed) < 6 or bytes(packed[:4]) != b"\x28\xb5\x2f\xfd":
        return None, 0
    descriptor = packed[4]
    single, at = bool(descriptor & 0x20), 5
    window = 0
    if not single:
        exponent, mantissa = packed[5] >> 3, packed[5] & 7
        window = (1 << (10 + exponent)) * (8 + mantissa) // 8
        at += 1
    at += (0, 1, 2, 4)[descriptor & 3]
    width = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    if not width or len(packed) < at + width:
        return None, window
    size = int.from_bytes(packed[at : at + width], "little") + (256 if width == 2 else 0)
    return size, window or size


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"unpacked it is above the limit of {most} bytes")


_UNPACK: Mapping[str, Callable[[Any, memoryview, int], Any]] = {
    "snappy": _unsnappy,
    "lz4": _unlz4,
    "zstd": _unzstd,
}
