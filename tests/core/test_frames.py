"""What goes between a pool and its processes arrives as it was sent, however the stream is cut."""

from hypothesis import given
from hypothesis import strategies as st

from partita.core.frames import (
    FrameReader,
    Kind,
    answer,
    frame,
    message_fields,
    message_of,
    parcel,
    parcels,
    read_report,
    report,
)

field = st.none() | st.binary(max_size=30)


@given(st.lists(st.lists(field, max_size=6), max_size=5))
def test_parcels_arrive_as_they_were_packed(batch: list[list[bytes | None]]) -> None:
    """Null is not empty, and nothing is in the way of any byte."""
    body = b"".join(parcel(fields) for fields in batch)

    assert list(parcels(body)) == batch


@given(
    st.tuples(st.text(max_size=9), st.integers(0, 999), st.integers(0, 2**62), st.integers(0, 2**62)),
    field,
    field,
    st.lists(st.tuples(st.text(max_size=9), st.binary(max_size=9)), max_size=4),
)
def test_a_whole_message_arrives_with_key_and_headers_in_order(
    place: tuple[str, int, int, int],
    key: bytes | None,
    value: bytes | None,
    headers: list[tuple[str, bytes]],
) -> None:
    """Duplicates and empty ones too."""
    (fields,) = parcels(parcel(message_fields(place, key, value, headers)))

    assert message_of(fields) == (*place, key, value, tuple(headers))


@given(st.lists(st.binary(max_size=20), max_size=6), st.lists(st.integers(1, 9), min_size=1, max_size=30))
def test_a_stream_is_cut_into_its_frames_wherever_it_is_broken(bodies: list[bytes], cuts: list[int]) -> None:
    """A frame is handed out when its last byte is there."""
    stream, reader, read = b"".join(map(frame, bodies)), FrameReader(), list[bytes]()
    for cut in cuts:
        read += reader.feed(stream[:cut])
        stream = stream[cut:]

    read += reader.feed(stream)

    assert read == bodies


def test_a_report_tells_answers_and_the_time_that_they_took() -> None:
    """The time has its bound, the answers have none."""
    (body,) = FrameReader().feed(report(1500, [answer(Kind.DONE), answer(Kind.RESULT, b"\x00 bill")]))
    (long,) = FrameReader().feed(report(1 << 60, [answer(Kind.READY)]))

    (early,) = FrameReader().feed(report(-1, [answer(Kind.READY)]))

    assert read_report(early) == (0.0, [(Kind.READY, b"")])
    assert read_report(body) == (0.0015, [(Kind.DONE, b""), (Kind.RESULT, b"\x00 bill")])
    assert read_report(long) == (0xFFFFFFFF / 1e6, [(Kind.READY, b"")])
