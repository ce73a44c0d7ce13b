"""Headers, keys and nulls on the wire and back, as the client would pass them on."""

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nats.aio.client import Client

from partita.backends.nats import headers as wire
from partita.core.ports import Outgoing

NAMES = st.one_of(st.text(max_size=12), st.sampled_from(["a", "A", "traceparent", "baggage", "Nats-Msg-Id"]))
VALUES = st.one_of(st.binary(max_size=20), st.sampled_from([b"", b" x", b"x ", b"plain", b"=?utf-8?q?x?="]))
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=6)


def passed_on(headers: dict[str, str]) -> dict[str, str]:
    """What arrives at the other side of the client."""
    lines = "".join(f"{name.strip()}: {value.strip()}\r\n" for name, value in headers.items())
    return Client._parse_header_lines(lines.encode())


@given(HEADERS)
@example([("a", b"1"), ("a", b"2")])
@example([("a", b"1"), ("A", b"2")])
@example([("traceparent", b"1"), ("traceparent", b"2"), ("x", b" ")])
def test_any_headers_come_back_as_they_were(headers: Sequence[tuple[str, bytes]]) -> None:
    """Order, duplicates, blanks and bytes survive the client's dict of text."""
    arrived = passed_on(wire.encode(Outgoing(b"", headers=headers), "id"))

    assert list(wire.decode(arrived)) == list(headers)


@given(st.one_of(st.none(), st.binary(max_size=40)))
def test_any_key_comes_back_as_it_was(key: bytes | None) -> None:
    """No key is not an empty key."""
    arrived = passed_on(wire.encode(Outgoing(b"", key=key), "id"))

    assert wire.key_of(arrived) == key


@given(HEADERS)
def test_no_header_line_can_hold_a_line_break(headers: Sequence[tuple[str, bytes]]) -> None:
    """Text from a message never becomes a line of the protocol."""
    encoded = wire.encode(Outgoing(None, key=b"\r\n", headers=headers), "id")

    assert not any("\r" in text or "\n" in text for pair in encoded.items() for text in pair)


def test_plain_headers_are_readable_by_other_programs() -> None:
    """What NATS can carry is not packed."""
    encoded = wire.encode(Outgoing(b"", headers=[("type", b"order"), ("n", b"1")]), "id")

    assert encoded == {"Nats-Msg-Id": "id", "type": "order", "n": "1"}


def test_trace_context_travels_natively_beside_packed_headers() -> None:
    """Another program sees the trace although the other headers are packed."""
    headers = [("traceparent", b"00-aa-bb-01"), ("a", b"1"), ("a", b"2")]

    encoded = wire.encode(Outgoing(b"", headers=headers), "id")

    assert encoded["traceparent"] == "00-aa-bb-01"
    assert wire.PACKED in encoded


def test_headers_that_somebody_else_damaged_are_read_as_far_as_they_are_native() -> None:
    """A bad Partita-Headers does not make its message unreadable."""
    assert wire.decode({wire.PACKED: "AAAA", "a": "1"}) == (("a", b"1"),)


@given(st.binary(max_size=40))
def test_unpacking_anything_ends_in_headers_or_in_a_value_error(raw: bytes) -> None:
    """Foreign bytes cannot do more than be refused."""
    from base64 import b64encode

    try:
        found = wire.unpack(b64encode(raw).decode())
    except ValueError:
        return

    assert wire.unpack(wire.pack(found)) == found


@given(HEADERS)
def test_the_size_of_headers_is_what_the_client_will_send(headers: Sequence[tuple[str, bytes]]) -> None:
    """The server counts headers into the message size, so they are counted before sending."""
    encoded = wire.encode(Outgoing(b"", headers=headers), "id")

    line_bytes = sum(len(f"{name}: {value}\r\n".encode()) for name, value in encoded.items())
    assert wire.size(encoded) == len(b"NATS/1.0\r\n") + line_bytes + len(b"\r\n")


def test_an_unpackable_text_is_refused() -> None:
    """A pair that is cut short is no pair."""
    with pytest.raises(ValueError, match="cut short"):
        wire.unpack("AAAAAQAAAAE=")
