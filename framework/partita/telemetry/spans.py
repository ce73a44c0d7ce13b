"""How the spans of one bus are made and ended: its tracer, its propagation, and what all of them say."""

import asyncio
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode, Tracer, TracerProvider

from partita.telemetry import semconv
from partita.telemetry.propagation import Propagation

Attributes = dict[str, str | int | bool]


def tracer_of(provider: TracerProvider | None) -> Tracer:
    """The tracer of Partita; *provider* None: of the one that is installed for the process."""
    try:
        installed: str | None = version("partita")
    except PackageNotFoundError:
        # A copy that is imported without being installed has no version to tell.
        installed = None
    return trace.get_tracer(semconv.SCOPE, installed, provider, semconv.SCHEMA_URL)


class Spans:
    """
    Makes the spans of one bus.

    Args:
        system: "kafka", "nats" or "memory".
        address: the broker's address as a URL without any secret.
        tracer_provider: None: the one that is installed for the process.
        clock: seconds that never go back.
    """

    def __init__(
        self, system: str, address: str, tracer_provider: TracerProvider | None, clock: Callable[[], float]
    ) -> None:
        # Imported here because it loads the formats that OTEL_PROPAGATORS names, which takes time and
        # fails for a misspelt one: neither concerns a process without traces.
        from opentelemetry.propagate import get_global_textmap

        self._tracer = tracer_of(tracer_provider)
        self.propagation = Propagation(get_global_textmap())
        self.offset = semconv.offset_name(system)
        self.send = semconv.send_operation(system)
        self.clock = clock
        self._system = system
        self._common: Attributes = {
            semconv.SYSTEM: system,
            **semconv.server_attributes(system, address),
        }

    def attributes(self, name: str, kind: str, topic: str) -> Attributes:
        """What every span of an operation on a topic says."""
        return {
            **self._common,
            semconv.OPERATION_NAME: name,
            semconv.OPERATION_TYPE: kind,
            semconv.DESTINATION: topic,
        }

    def message_attributes(self, name: str, kind: str, topic: str, value: bytes | None) -> Attributes:
        """The same for one message."""
        attributes = self.attributes(name, kind, topic)
        if value is None and self._system == "kafka":
            attributes[semconv.TOMBSTONE] = True
        return attributes

    def start(
        self,
        operation: str,
        topic: str,
        kind: SpanKind,
        attributes: Attributes,
        parent: Context | None = None,
        links: Sequence[SpanContext] = (),
    ) -> Span:
        """
        Start a span.

        Args:
            parent: None: what is current.
            links: those that are no context, or there twice, are left out.
        """
        valid = {each.span_id: Link(each) for each in links if each.is_valid}
        name = semconv.span_name(operation, topic)
        return self._tracer.start_span(name, parent, kind, attributes, list(valid.values()) or None)


def end(span: Span, error: BaseException) -> None:
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
