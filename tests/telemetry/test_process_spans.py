"""What a handler's call tells: one span for each attempt, current while the handler runs."""

import asyncio
import traceback

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from tests.telemetry.fakes import Broker, Letter, Traced, identity

from partita.core.ports import Outgoing
from partita.telemetry import semconv


async def _handle(record: object, attempt: int) -> object:
    return (record, attempt)


def test_call_is_one_consumer_span_with_the_present_names() -> None:
    """The span of a call says which message of which partition and group it handled."""
    traced, letter = Traced(), Letter(key=b"secret-key", headers=[("secret-name", b"secret")])
    call = traced.traced(_handle)

    async def scenario() -> object:
        return await call(letter, 1)

    result = asyncio.run(scenario())

    assert result == (letter, 1)
    assert (traced.only.name, traced.only.kind) == ("process orders", SpanKind.CONSUMER)
    assert dict(traced.only.attributes or {}) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "orders",
        "messaging.destination.partition.id": "2",
        "messaging.kafka.offset": 17,
        "messaging.consumer.group.name": "billing",
        "server.address": "127.0.0.1",
        "server.port": 9092,
    }
    assert "secret" not in traced.only.to_json()


def test_later_attempt_is_told_and_so_is_a_tombstone() -> None:
    """A retry is a span of its own that says which attempt it was."""
    traced = Traced()
    call = traced.traced(_handle)

    async def scenario() -> None:
        await call(Letter(), 1)
        await call(Letter(value=None), 2)

    asyncio.run(scenario())

    first, second = (dict(span.attributes or {}) for span in traced.spans)
    assert (semconv.ATTEMPT in first, semconv.TOMBSTONE in first) == (False, False)
    assert (second[semconv.ATTEMPT], second[semconv.TOMBSTONE]) == (2, True)


def test_trace_runs_from_publish_over_the_handler_to_its_own_publish() -> None:
    """A message carries its trace: its handler is a child of the publish, by parent and by link."""
    traced, first, second = Traced(), Broker(), Broker()

    async def forward(record: object, attempt: int) -> object:
        return await traced.tracing.publish("bills", Outgoing(b"b"), second.publish)

    async def scenario() -> None:
        await traced.tracing.publish("orders", Outgoing(b"v"), first.publish)
        call = traced.traced(forward)
        await call(Letter(headers=first.headers), 1)

    asyncio.run(scenario())

    sent, billed, handled = traced.spans
    assert [span.name for span in traced.spans] == ["send orders", "send bills", "process orders"]
    assert handled.parent is not None
    assert handled.parent.span_id == identity(sent).span_id
    assert handled.parent.is_remote
    assert [link.context.span_id for link in handled.links] == [identity(sent).span_id]
    assert billed.parent == handled.context
    assert len({identity(span).trace_id for span in traced.spans}) == 1
    assert second.headers == [("traceparent", f"00-{1:032x}-{identity(billed).span_id:016x}-01".encode())]


def test_message_without_context_starts_a_trace_of_its_own() -> None:
    """What surrounds the worker's start is not the parent of every message it ever handles."""
    traced = Traced()
    call = traced.traced(_handle)
    tracer = traced.provider.get_tracer("user")

    async def scenario() -> None:
        with tracer.start_as_current_span("main"):
            await call(Letter(), 1)
            await call(Letter(), 1)

    asyncio.run(scenario())

    first, second, around = traced.spans
    assert (first.parent, second.parent) == (None, None)
    assert not first.links
    assert len({identity(span).trace_id for span in (first, second, around)}) == 3


class Stop(BaseException):
    """Not an Exception."""


@pytest.mark.parametrize(
    ("error", "told", "failed"),
    [
        (ValueError("no"), "ValueError", True),
        (Stop(), f"{__name__}.Stop", True),
        (asyncio.CancelledError(), "asyncio.exceptions.CancelledError", False),
    ],
    ids=["error", "base", "cancelled"],
)
def test_raising_handler_ends_its_span_and_restores_the_context(
    error: BaseException, told: str, failed: bool
) -> None:
    """However a handler ends, its error goes on as the same object and its span ends with it."""
    traced = Traced()
    seen: list[trace.Span] = []

    async def fail(record: object, attempt: int) -> object:
        seen.append(trace.get_current_span())
        raise error

    async def scenario() -> None:
        call = traced.traced(fail)
        before = trace.get_current_span()
        with pytest.raises(type(error)) as raised:
            await call(Letter(), 1)
        assert raised.value is error
        assert trace.get_current_span() is before

    asyncio.run(scenario())

    assert seen[0].get_span_context() == traced.only.context
    assert (traced.only.attributes or {})[semconv.ERROR_TYPE] == told
    assert (traced.only.status.status_code is StatusCode.ERROR) == failed
    assert len(traced.only.events) == int(failed)


def test_cancelled_handler_ends_its_span() -> None:
    """A handler that a stop interrupts leaves no open span behind."""
    traced = Traced()
    running = asyncio.Event()

    async def hang(record: object, attempt: int) -> object:
        running.set()
        await asyncio.Event().wait()
        return None

    async def scenario() -> None:
        call = traced.traced(hang)
        task = asyncio.ensure_future(call(Letter(), 1))
        await running.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(scenario())

    assert traced.only.status.status_code is StatusCode.UNSET


def test_error_that_cannot_be_told_still_goes_on_as_itself() -> None:
    """The SDK asks an error for its text; one that cannot say it is not replaced by that failure."""
    traced = Traced()

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    error = Mute()

    async def fail(record: object, attempt: int) -> object:
        raise error

    async def scenario() -> None:
        with pytest.raises(Mute) as raised:
            await traced.traced(fail)(Letter(), 1)
        assert raised.value is error

    asyncio.run(scenario())

    (event,) = traced.only.events
    assert (event.attributes or {})[semconv.EXCEPTION_TYPE] == semconv.error_type(error)


def test_tracing_adds_one_frame_above_the_handler() -> None:
    """A traceback of a user's handler stays short with tracing on."""
    traced = Traced()

    async def fail(record: object, attempt: int) -> object:
        return [frame.name for frame in traceback.extract_stack()]

    async def scenario() -> object:
        return await traced.traced(fail)(Letter(), 1)

    names = asyncio.run(scenario())

    assert isinstance(names, list)
    assert names[-3:] == ["scenario", "process", "fail"]


def test_two_handlers_at_once_keep_their_own_spans() -> None:
    """The current span belongs to a task: what one handler publishes is never another's child."""
    traced, broker = Traced(), Broker()
    both = asyncio.Barrier(2)

    async def forward(record: object, attempt: int) -> object:
        await both.wait()
        return await traced.tracing.publish("bills", Outgoing(b"b"), broker.publish)

    async def scenario() -> None:
        call = traced.traced(forward)
        await asyncio.gather(call(Letter(offset=1), 1), call(Letter(offset=2), 1))

    asyncio.run(scenario())

    handled = {identity(s).span_id for s in traced.spans if s.kind is SpanKind.CONSUMER}
    parents = {s.parent.span_id for s in traced.spans if s.parent is not None}
    assert parents == handled


def test_unsampled_message_makes_no_span_and_its_context_goes_on() -> None:
    """Who started the trace has decided; a worker in the middle neither records nor breaks it."""
    traced, broker = Traced(), Broker()
    unsampled = b"00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-00"

    async def forward(record: object, attempt: int) -> object:
        return await traced.tracing.publish("bills", Outgoing(b"b"), broker.publish)

    async def scenario() -> None:
        call = traced.traced(forward)
        await call(Letter(headers=[("traceparent", unsampled)]), 1)

    asyncio.run(scenario())

    ((_, value),) = broker.headers
    assert not traced.spans
    assert value.startswith(b"00-0af7651916cd43dd8448eb211c80319c-")
    assert value.endswith(b"-00")
