"""The context in message headers: whatever stands in them, nothing is raised and nothing is logged."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from opentelemetry.context import Context
from opentelemetry.propagate import get_global_textmap
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from partita.core.ports import Headers
from partita.telemetry.propagation import Propagation

PARENT = b"00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
OTHER = b"00-0af7651916cd43dd8448eb211c80319d-00f067aa0ba902b7-01"
SPAN = SpanContext(5, 6, is_remote=False, trace_flags=TraceFlags(1))

propagation = Propagation(get_global_textmap())


def _context(span: SpanContext = SPAN) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(span), Context())


def _extracted(headers: Headers) -> SpanContext:
    return trace.get_current_span(propagation.extract(headers)).get_span_context()


@contextmanager
def _silence() -> Iterator[None]:
    """Fails on anything that OpenTelemetry logs."""
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler, logger = Keep(), logging.getLogger("opentelemetry")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
    assert [record.getMessage() for record in records] == []


@given(
    trace_id=st.integers(1, 2**128 - 1),
    span_id=st.integers(1, 2**64 - 1),
    sampled=st.booleans(),
    vendors=st.dictionaries(
        st.from_regex("[a-z][a-z0-9_*/-]{0,20}", fullmatch=True),
        st.from_regex("[!-+.-<>-~]{1,20}", fullmatch=True),
        max_size=5,
    ),
    others=st.lists(st.tuples(st.text(max_size=12), st.binary(max_size=12)), max_size=4),
)
def test_context_that_is_written_is_read_again(
    trace_id: int,
    span_id: int,
    sampled: bool,
    vendors: dict[str, str],
    others: list[tuple[str, bytes]],
) -> None:
    """Trace, span, sampling and vendors' state cross a broker among any other headers."""
    state = TraceState(list(vendors.items()))
    span = SpanContext(trace_id, span_id, True, TraceFlags(int(sampled)), state)

    headers = propagation.inject(others, _context(span))
    found = _extracted(headers)

    assert list(headers)[: len(others)] == others
    assert (found.trace_id, found.span_id) == (trace_id, span_id)
    assert (found.trace_flags.sampled, dict(found.trace_state)) == (sampled, vendors)


def test_forwarded_headers_have_their_context_replaced_in_any_case() -> None:
    """A message that is sent on carries one context, the new one, and all else as it was."""
    old = [("TraceParent", PARENT), ("a", b"1"), ("tracestate", b"v=1"), ("traceparent", OTHER), ("a", b"1")]

    headers = propagation.inject(old, _context())

    assert headers == [("a", b"1"), ("a", b"1"), ("traceparent", f"00-{5:032x}-{6:016x}-01".encode())]


def test_baggage_crosses_and_replaces_baggage() -> None:
    """Baggage is on by default, as in OTEL_PROPAGATORS; entries that are malformed are left behind."""
    sent = propagation.inject([("baggage", b"old=1")], baggage.set_baggage("user", "é 1", _context()))

    with _silence():
        found = propagation.extract([*sent, ("baggage", b"x=2, =,\xff=1,y,z=\x00")])

    assert baggage.get_all(found) == {"user": "é 1", "x": "2"}


def test_own_baggage_header_stays_when_there_is_none_to_write() -> None:
    """A header is only replaced by a new one."""
    headers = propagation.inject([("baggage", b"mine=1")], _context())

    assert headers[0] == ("baggage", b"mine=1")


@pytest.mark.parametrize("name", ["traceparent", "Traceparent", "TRACEPARENT"])
def test_name_is_read_in_any_case(name: str) -> None:
    """Producers in other languages write header names as they like."""
    assert _extracted([(name, PARENT)]).trace_id == 0x0AF7651916CD43DD8448EB211C80319C


def test_exact_name_comes_before_another_case() -> None:
    """Where both stand, the one that the recommendation names counts."""
    found = _extracted([("Traceparent", OTHER), ("traceparent", PARENT)])

    assert found.trace_id == 0x0AF7651916CD43DD8448EB211C80319C


def test_same_context_twice_is_one_and_two_different_ones_are_none() -> None:
    """A message cannot have two parents, and guessing would connect what does not belong together."""
    assert _extracted([("traceparent", PARENT), ("traceparent", PARENT)]).is_valid
    assert not _extracted([("traceparent", PARENT), ("traceparent", OTHER)]).is_valid


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00",
        PARENT[:-1],
        PARENT + b"-extra",
        PARENT + b"\n",
        PARENT.replace(b"00-", b"ff-", 1),
        PARENT.upper(),
        PARENT.replace(b"0af7651916cd43dd8448eb211c80319c", b"0" * 32),
        PARENT.replace(b"00f067aa0ba902b7", b"0" * 16),
        b"cc" + PARENT[2:] + b"-" + b"a" * 1000,
        PARENT * 1000,
        b"\xff" * 55,
        b"\x00" + PARENT,
    ],
)
def test_malformed_context_is_none(value: bytes) -> None:
    """What is no context is none: the message starts a trace of its own."""
    with _silence():
        assert not _extracted([("traceparent", value), ("tracestate", b"v=1")]).is_valid


@pytest.mark.parametrize(
    "state", [b"=", b"A=1", b"v=\xff", b"v=1," * 33, b"v=1,v=2", b"v=" + b"x" * 300, b"v=1," * 9000]
)
def test_malformed_state_goes_and_its_parent_stays(state: bytes) -> None:
    """Vendors' state is optional; the trace stays connected without it."""
    with _silence():
        found = _extracted([("traceparent", PARENT), ("tracestate", state)])

    assert found.is_valid
    assert not found.trace_state


@given(
    headers=st.lists(
        st.tuples(
            st.sampled_from(["traceparent", "Traceparent", "tracestate", "baggage", "x"]),
            st.one_of(st.binary(max_size=80), st.from_regex(rb"[ -~,;=]{0,80}", fullmatch=True)),
        ),
        max_size=6,
    )
)
@example(headers=[("traceparent", PARENT), ("baggage", b"a" * 9000)])
@example(headers=[("traceparent", PARENT), ("baggage", b",".join([b"a=1"] * 200))])
@example(headers=[("traceparent", PARENT), ("baggage", b"k=" + b"v" * 5000)])
@example(headers=[("traceparent", PARENT), ("tracestate", b"a=1, b=2 ,,c=3\t")])
def test_no_header_raises_or_logs(headers: list[tuple[str, bytes]]) -> None:
    """Anybody may write anything into a topic, and nobody can fill our logs with it."""
    with _silence():
        context = propagation.extract(headers)
        propagation.inject(headers, trace.set_span_in_context(NonRecordingSpan(SPAN), context))
