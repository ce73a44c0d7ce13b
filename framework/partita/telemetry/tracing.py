"""
Traces of a bus: a span for each publish, and for each call of a handler (handling.py).

While a handler runs its span is the current one, so what it publishes is a child of it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

import attrs
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, TracerProvider

from partita.core.ports import Outgoing, Receipt, RecordReader
from partita.telemetry import semconv
from partita.telemetry.handling import Handling
from partita.telemetry.spans import Spans, end, tracer_of


def find_tracing(system: str, address: str) -> "Tracing | None":
    """
    Tracing through the installed provider; None when there is none, or when it is switched off.

    Asked once, when a bus opens: a provider that is installed later is not seen by it. After None no
    message causes a call into OpenTelemetry.
    """
    if isinstance(tracer_of(None), trace.NoOpTracer | trace.ProxyTracer):
        return None
    return Tracing(system, address)


class Tracing:
    """
    Spans of one bus, through the OpenTelemetry API.

    Args:
        system: "kafka", "nats" or "memory".
        address: the broker's address as a URL without any secret.
        tracer_provider: makes the spans; None: the one that is installed for the process.
        clock: seconds that never go back; tells how long messages wait.
    """

    def __init__(
        self,
        system: str,
        address: str,
        tracer_provider: TracerProvider | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spans = Spans(system, address, tracer_provider, clock)

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
            end(span, error)
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
            end(span, error)
            raise
        delivery.add_done_callback(partial(self._delivered, span))
        return delivery

    def handling(self, reader: RecordReader, group: str) -> Handling:
        """What traces one route that reads in *group*."""
        return Handling(self._spans, reader, group)

    def _start_send(self, topic: str, message: Outgoing) -> tuple[Span, Outgoing]:
        spans = self._spans
        attributes = spans.message_attributes(spans.send, semconv.SEND, topic, message.value)
        if message.partition is not None:
            attributes[semconv.PARTITION] = str(message.partition)
        if otel_context.get_value(semconv.DEAD_LETTER):
            attributes[semconv.DEAD_LETTER] = True
        span = spans.start(spans.send, topic, SpanKind.PRODUCER, attributes)
        context = trace.set_span_in_context(span)
        return span, attrs.evolve(message, headers=spans.propagation.inject(message.headers, context))

    def _delivered(self, span: Span, delivery: "asyncio.Future[Receipt]") -> None:
        error = asyncio.CancelledError() if delivery.cancelled() else delivery.exception()
        if error is None:
            self._stored(span, delivery.result())
        else:
            end(span, error)

    def _stored(self, span: Span, receipt: Receipt) -> None:
        span.set_attributes({semconv.PARTITION: str(receipt.partition), self._spans.offset: receipt.offset})
        span.end()
