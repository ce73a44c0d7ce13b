"""
What NATS headers cannot carry, and how it is carried.

The client hands headers over as a dict of text: duplicates, surrounding blanks and bytes that are no text
would be gone. Headers that survive travel as they are; otherwise all of them go, in order, into one header
`Partita-Headers`, which wins when it is there. Trace context always travels natively as well, so that
other programs see it.
"""

import re
import struct
from base64 import b64decode, b64encode
from collections.abc import Mapping
from urllib.parse import quote_from_bytes, unquote_to_bytes

from partita.core.ports import Headers, Outgoing

KEY = "Partita-Key"
NULL = "Partita-Null"
PACKED = "Partita-Headers"
MESSAGE_ID = "Nats-Msg-Id"
PIN = "Nats-Pin-Id"

_TRACE_CONTEXT = frozenset({"traceparent", "tracestate", "baggage"})
_RESERVED = ("nats-", "partita-")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# An encoded word ("=?...?=") is left out: with its optional mail parser the client would decode it.
_VALUE = re.compile(rb"(?:[!-~](?:[ -~]*[!-~])?)?")
_LENGTHS = struct.Struct(">II")
# "NATS/1.0\r\n" before the headers and "\r\n" after them; ": " and "\r\n" around each value.
_FRAME, _LINE = 12, 4


def encode(message: Outgoing, message_id: str) -> dict[str, str]:
    """The NATS headers of a message to publish."""
    headers = {MESSAGE_ID: message_id}
    if message.key is not None:
        headers[KEY] = quote_from_bytes(message.key, safe="")
    if message.value is None:
        headers[NULL] = "1"
    if _survive(message.headers):
        headers.update((name, value.decode("ascii")) for name, value in message.headers)
        return headers
    headers[PACKED] = pack(message.headers)
    for name, value in message.headers:
        if name in _TRACE_CONTEXT and _representable(name, value):
            headers.setdefault(name, value.decode("ascii"))
    return headers


def _survive(headers: Headers) -> bool:
    """Whether every client reads these as they were written."""
    distinct = len({name.lower() for name, _ in headers}) == len(headers)
    return distinct and all(_representable(name, value) for name, value in headers)


def _representable(name: str, value: bytes) -> bool:
    fits = _NAME.fullmatch(name) and _VALUE.fullmatch(value) and b"=?" not in value
    return bool(fits) and not name.lower().startswith(_RESERVED)


def pack(headers: Headers) -> str:
    """Name and value pairs as one header value, in order."""
    parts = []
    for name, value in headers:
        raw = name.encode("utf-8", "surrogatepass")
        parts += [_LENGTHS.pack(len(raw), len(value)), raw, value]
    return b64encode(b"".join(parts)).decode("ascii")


def unpack(text: str) -> Headers:
    """
    The pairs that `pack` was given.

    Raises:
        ValueError: it is not what `pack` makes.
    """
    raw = b64decode(text, validate=True)
    pairs, at = [], 0
    while at < len(raw):
        if at + _LENGTHS.size > len(raw):
            raise ValueError(f"the header {PACKED} is cut short")
        name_size, value_size = _LENGTHS.unpack_from(raw, at)
        value_at = at + _LENGTHS.size + name_size
        at = value_at + value_size
        if at > len(raw):
            raise ValueError(f"the header {PACKED} is cut short")
        name = raw[value_at - name_size : value_at].decode("utf-8", "surrogatepass")
        pairs.append((name, raw[value_at:at]))
    return tuple(pairs)


def decode(headers: Mapping[str, str]) -> Headers:
    """A message's own headers; the server's and ours are left out."""
    packed = headers.get(PACKED)
    if packed is not None:
        try:
            return unpack(packed)
        # Written by somebody else: then the native headers are all there is.
        except ValueError:
            pass
    return tuple(
        (name, value.encode("utf-8", "surrogateescape"))
        for name, value in headers.items()
        if not name.lower().startswith(_RESERVED)
    )


def key_of(headers: Mapping[str, str]) -> bytes | None:
    """A message's key, or None."""
    text = headers.get(KEY)
    return None if text is None else unquote_to_bytes(text)


def size(headers: Mapping[str, str]) -> int:
    """Bytes that headers take on the wire; the server counts them into a message's size."""
    return _FRAME + sum(len(name) + len(value.encode()) + _LINE for name, value in headers.items())
