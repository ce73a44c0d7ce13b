"""
Spans of the calls of one route's handler, and what keeps a message's way in one trace.

A call's span has the context that the message carries as its parent, and as a link too; a later attempt is
linked to the first. A message that carries none begins a trace with its first attempt, and stays in it.
"""

from collections.abc import Awaitable, Callable, Sequence

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind

from partita.core.ports import Outgoing, Receipt, RecordReader
from partita.telemetry import semconv
from partita.telemetry.spans import Spans, end
from partita.telemetry.trail import NONE, Attempts, Trail

Call = Callable[[object, int], Awaitable[object]]
BatchCall = Callable[[Sequence[object], int], Awaitable[object]]
Publish = Callable[[str, Outgoing], Awaitable[Receipt]]


class Handling:
    """
    Traces one route.

    Args:
        spans: makes them.
        reader: reads the records.
        group: the consumer group's name.
    """

    def __init__(self, spans: Spans, reader: RecordReader, group: str) -> None:
        self._spans, self._reader, self._group = spans, reader, group
        self._trail = Trail(reader)

    def traced(self, call: Call) -> Call:
        """*call*, which takes the client's record and the attempt, within a span each time."""

        async def process(record: object, attempt: int) -> object:
            parent = self._spans.propagation.extract(self._reader.headers(record))
            before = self._before(record, attempt)
            span = self._start(record, attempt, before, parent)
            token = otel_context.attach(trace.set_span_in_context(span, parent))
            try:
                result = await call(record, attempt)
            except BaseException as error:
                # The message is unfinished; who called decides what becomes of it.
                end(span, error)
                self._trail.failed(record, before, span.get_span_context())
                raise
            finally:
                otel_context.detach(token)
            span.end()
            return result

        return process

    def traced_batch(self, call: BatchCall) -> BatchCall:
        """
        *call*, which takes the client's records and the attempt, within one span each time: the root of
        a trace of its own, with a link to each message's context.
        """

        async def process(records: Sequence[object], attempt: int) -> object:
            befores = [self._before(each, attempt) for each in records]
            span = self._start_batch(records, attempt, befores)
            token = otel_context.attach(trace.set_span_in_context(span, Context()))
            try:
                result = await call(records, attempt)
            except BaseException as error:
                # Some of the messages are unfinished; who called decides which, and what becomes of them.
                end(span, error)
                for record, before in zip(records, befores, strict=True):
                    self._trail.failed(record, before, span.get_span_context())
                raise
            finally:
                otel_context.detach(token)
            span.end()
            return result

        return process

    def queued(self, record: object) -> None:
        """A message waits for others before it may begin; its span will say how long."""
        self._trail.waits(record, self._spans.clock())

    async def bury(self, record: object, topic: str, letter: Outgoing, publish: Publish) -> None:
        """
        Publish the dead letter of a message, as a child of the attempt that failed last.

        Raises:
            BaseException: what *publish* raises, untouched.
        """
        attempts = self._trail.take(record)
        parent = self._spans.propagation.extract(self._reader.headers(record))
        own = trace.get_current_span(parent).get_span_context()
        if attempts.last.is_valid and own.trace_id in (0, attempts.last.trace_id):
            parent = trace.set_span_in_context(NonRecordingSpan(attempts.last), parent)
        token = otel_context.attach(otel_context.set_value(semconv.DEAD_LETTER, True, parent))
        try:
            await publish(topic, letter)
        except BaseException:
            # It is not buried, and will be once more.
            self._trail.leave(record, attempts)
            raise
        finally:
            otel_context.detach(token)

    def trace_id(self, record: object) -> str | None:
        """32 hexadecimal digits; None: nothing is known but what the message itself names."""
        own = self._creation(record)
        found = own if own.is_valid else self._trail.look(record).last
        return trace.format_trace_id(found.trace_id) if found.is_valid else None

    def _before(self, record: object, attempt: int) -> Attempts:
        attempts = self._trail.take(record)
        # What a former lease of the partition has left is not this message's first attempt any more.
        return attempts if attempt > 1 else NONE

    def _creation(self, record: object) -> SpanContext:
        context = self._spans.propagation.extract(self._reader.headers(record))
        return trace.get_current_span(context).get_span_context()

    def _start(self, record: object, attempt: int, before: Attempts, parent: Context) -> Span:
        reader = self._reader
        topic = reader.topic(record)
        kinds = semconv.PROCESS, semconv.PROCESS
        attributes = self._spans.message_attributes(*kinds, topic, reader.value(record))
        attributes[semconv.GROUP] = self._group
        attributes[semconv.PARTITION] = str(reader.partition(record))
        attributes[self._spans.offset] = reader.offset(record)
        if attempt > 1:
            attributes[semconv.ATTEMPT] = attempt
        creation = trace.get_current_span(parent).get_span_context()
        if not creation.is_valid and before.first.is_valid:
            parent = trace.set_span_in_context(NonRecordingSpan(before.first), parent)
        links = creation, before.first
        span = self._spans.start(semconv.PROCESS, topic, SpanKind.CONSUMER, attributes, parent, links)
        since = self._trail.waited_since(record)
        if since is not None:
            waited = self._spans.clock() - since
            span.add_event(semconv.WAITED_EVENT, {semconv.WAITED_SECONDS: waited})
        return span

    def _start_batch(self, records: Sequence[object], attempt: int, befores: Sequence[Attempts]) -> Span:
        reader, first = self._reader, records[0]
        topic = reader.topic(first)
        attributes = self._spans.attributes(semconv.PROCESS, semconv.PROCESS, topic)
        attributes[semconv.GROUP] = self._group
        attributes[semconv.PARTITION] = str(reader.partition(first))
        attributes[semconv.BATCH_COUNT] = len(records)
        if attempt > 1:
            attributes[semconv.ATTEMPT] = attempt
        links = [*map(self._creation, records), *(each.first for each in befores)]
        return self._spans.start(semconv.PROCESS, topic, SpanKind.CONSUMER, attributes, Context(), links)
