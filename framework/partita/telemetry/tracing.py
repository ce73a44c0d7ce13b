"""
Spans: one for each publish, one for each call of a handler.

A handler's span has the context that the message carries as its parent, so that a trace is one tree from
the first publish to the last handler, and as a link too. While a handler runs its span is the current
one; what it publishes is a child of it. Every attempt has a span of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version

import attrs
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, TracerProvider

from partita.core.ports import Outgoing, Receipt, RecordReader
from partita.telemetry import semconv
from partita.telemetry.propagation import Propagation

Call = Callable[[object, int], Awaitable[object]]
Attributes = dict[str, str | int | bool]


def find_tracing(system: str, address: str) -> "Tracing | None":
    """
    Tracing through the installed provider; None when there is none, or when it is switched off.

    Asked once, when a bus opens: a provider that is installed later is not seen by it. After None no
    message causes a call into OpenTelemetry.
    """
    if isinstance(_tracer(None), trace.NoOpTracer | trace.ProxyTracer):
        return None
    return Tracing(system, address)


def _tracer(provider: TracerProvider | None) -> Tracer:
    try:
        installed: str | None = version("partita")
    except PackageNotFoundError:
        # A copy that is imported without being installed has no version to tell.
        installed = None
    return trace.get_tracer(semconv.SCOPE, installed, provider, semconv.SCHEMA_URL)


class Tracing:
    """
    Spans of one bus, through the OpenTelemetry API.

    Args:
        system: "kafka", "nats" or "memory".
        address: the broker's address as a URL without any secret.
        tracer_provider: makes the spans; None: the one that is installed for the process.
    """

    def __init__(self, system: str, address: str, tracer_provider: TracerProvider | None = None) -> None:
        # Imported here because it loads the formats that OTEL_PROPAGATORS names, which takes time and
        # fails for a misspelt one: neither concerns a process without traces.
        from opentelemetry.propagate import get_global_textmap

        self._tracer = _tracer(tracer_provider)
        self._propagation = Propagation(get_global_textmap())
        self._system = system
        self._offset = semconv.offset_name(system)
        self._send_name = semconv.send_operation(system)
        self._server: Attributes = {
            semconv.SYSTEM: system,
            **semconv.server_attributes(system, address),
        }

    async def publish(
        self,
        topic: str,
        message: Outgoing,
        publish: Callable[[str, Outgoing], Awaitable[Receipt]],
    ) -> Receipt:
        """
        Publish *message* within a span; its context goes into the headers.

        Raises:
            BaseException: what *publish* raises, untouched.
        """
        span, outgoing = self._start_send(topic, message)
        try:
            receipt = await publish(topic, outgoing)
        except BaseException as error:
            # Whether a cancelled wait left a message at the broker is not known here either.
            _end(span, error)
            raise
        self._stored(span, receipt)
        return receipt

    def send(
        self,
        topic: str,
        message: Outgoing,
        send: Callable[[str, Outgoing], Awaitable[Receipt]],
    ) -> Awaitable[Receipt]:
        """
        Send *message* with a span that ends when the delivery is done.

        Returns the future that *send* returns; another awaitable is run as a task.
        """
        span, outgoing = self._start_send(topic, message)
        try:
            delivery = asyncio.ensure_future(send(topic, outgoing))
        except BaseException as error:
            # Refused before it was under way: nothing else will end the span.
            _end(span, error)
            raise
        delivery.add_done_callback(partial(self._delivered, span))
        return delivery

    def traced(self, call: Call, reader: RecordReader, group: str) -> Call:
        """
        *call* within a span for each message and attempt.

        Args:
            call: takes the client's record and the attempt, from 1.
            reader: reads the records.
            group: the consumer group's name.
        """

        async def process(record: object, attempt: int) -> object:
            parent = self._propagation.extract(reader.headers(record))
            span = self._start_process(record, attempt, reader, group, parent)
            token = otel_context.attach(trace.set_span_in_context(span, parent))
            try:
                result = await call(record, attempt)
            except BaseException as error:
                # The message is unfinished; who called decides what becomes of it.
                _end(span, error)
                raise
            finally:
                otel_context.detach(token)
            span.end()
            return result

        return process

    def _start_send(self, topic: str, message: Outgoing) -> tuple[Span, Outgoing]:
        attributes = self._attributes(self._send_name, semconv.SEND, topic, message.value)
        if message.partition is not None:
            attributes[semconv.PARTITION] = str(message.partition)
        name = semconv.span_name(self._send_name, topic)
        span = self._tracer.start_span(name, kind=SpanKind.PRODUCER, attributes=attributes)
        context = trace.set_span_in_context(span)
        return span, attrs.evolve(message, headers=self._propagation.inject(message.headers, context))

    def _start_process(
        self,
        record: object,
        attempt: int,
        reader: RecordReader,
        group: str,
        parent: otel_context.Context,
    ) -> Span:
        topic = reader.topic(record)
        attributes = self._attributes(semconv.PROCESS, semconv.PROCESS, topic, reader.value(record))
        attributes[semconv.GROUP] = group
        attributes[semconv.PARTITION] = str(reader.partition(record))
        attributes[self._offset] = reader.offset(record)
        if attempt > 1:
            attributes[semconv.ATTEMPT] = attempt
        creation = trace.get_current_span(parent).get_span_context()
        return self._tracer.start_span(
            semconv.span_name(semconv.PROCESS, topic),
            parent,
            SpanKind.CONSUMER,
            attributes,
            [trace.Link(creation)] if creation.is_valid else None,
        )

    def _attributes(self, name: str, kind: str, topic: str, value: bytes | None) -> Attributes:
        attributes = {
            **self._server,
            semconv.OPERATION_NAME: name,
            semconv.OPERATION_TYPE: kind,
            semconv.DESTINATION: topic,
        }
        if value is None and self._system == "kafka":
            attributes[semconv.TOMBSTONE] = True
        return attributes

    def _delivered(self, span: Span, delivery: "asyncio.Future[Receipt]") -> None:
        error = asyncio.CancelledError() if delivery.cancelled() else delivery.exception()
        if error is None:
            self._stored(span, delivery.result())
        else:
            _end(span, error)

    def _stored(self, span: Span, receipt: Receipt) -> None:
        span.set_attributes({semconv.PARTITION: str(receipt.partition), self._offset: receipt.offset})
        span.end()


def _end(span: Span, error: BaseException) -> None:
    """End a span that *error* ended. Being cancelled is nobody's fault, so it is not an error."""
    span.set_attribute(semconv.ERROR_TYPE, semconv.error_type(error))
    if not isinstance(error, asyncio.CancelledError | GeneratorExit):
        _record(span, error)
        span.set_status(StatusCode.ERROR)
    span.end()


def _record(span: Span, error: BaseException) -> None:
    try:
        span.record_exception(error)
    except Exception:  # noqa: BLE001
        # The SDK asks an error for its text, and a user's __str__ may raise: its type is told then.
        told = {semconv.EXCEPTION_TYPE: semconv.error_type(error)}
        span.add_event(semconv.EXCEPTION_EVENT, told)
