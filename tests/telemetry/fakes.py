"""A message as a plain value, its reader, and a provider that keeps its spans in memory."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Self

import attrs
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import SpanContext

from partita import EventBus
from partita.backends.memory import MemoryBackend, MemoryBroker
from partita.core.ports import Headers, Outgoing, Receipt
from partita.telemetry.handling import Call
from partita.telemetry.tracing import Tracing

RECEIPT = Receipt("orders", 2, 17, 1_700_000_000_000)


@attrs.frozen
class Letter:
    """A client's record."""

    topic: str = "orders"
    partition: int = 2
    offset: int = 17
    key: bytes | None = None
    value: bytes | None = b"secret-value"
    headers: Headers = ()


class LetterReader:
    """Reads letters."""

    record_type = "tests.telemetry.fakes.Letter"

    def topic(self, record: object, /) -> str:
        return self._read(record).topic

    def partition(self, record: object, /) -> int:
        return self._read(record).partition

    def offset(self, record: object, /) -> int:
        return self._read(record).offset

    def timestamp(self, record: object, /) -> int:
        return 0

    def key(self, record: object, /) -> bytes | None:
        return self._read(record).key

    def value(self, record: object, /) -> bytes | None:
        return self._read(record).value

    def headers(self, record: object, /) -> Headers:
        return self._read(record).headers

    def _read(self, record: object) -> Letter:
        assert isinstance(record, Letter)
        return record


def identity(span: ReadableSpan) -> SpanContext:
    """The ids of a span, which every span that was recorded has."""
    context = span.get_span_context()
    assert context is not None
    return context


class Counting(IdGenerator):
    """Ids that count from 1."""

    def __init__(self) -> None:
        self._traces: Iterator[int] = iter(range(1, 1 << 20))
        self._spans: Iterator[int] = iter(range(1, 1 << 20))

    def generate_trace_id(self) -> int:
        return next(self._traces)

    def generate_span_id(self) -> int:
        return next(self._spans)


class Traced:
    """Tracing whose finished spans can be looked at; nothing global is touched."""

    def __init__(self, system: str = "kafka", address: str = "kafka://127.0.0.1:9092") -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(id_generator=Counting(), shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing = Tracing(system, address, self.provider, lambda: asyncio.get_running_loop().time())

    def traced(self, call: Call) -> Call:
        """*call* with spans, as a route of the group billing has them."""
        return self.tracing.handling(LetterReader(), "billing").traced(call)

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """In the order they ended."""
        return self._exporter.get_finished_spans()

    @property
    def only(self) -> ReadableSpan:
        """The one span there is."""
        (span,) = self.spans
        return span


class TracedBus(EventBus):
    """
    A bus on memory whose spans can be looked at, in order of their ends.

    Args:
        partitions: of each topic.
    """

    def __init__(self, partitions: int = 1) -> None:
        super().__init__(MemoryBackend(MemoryBroker(partitions), "memory://"))
        self.traced = Traced("memory", "memory://")

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._trace(self.traced.tracing)
        return self

    def named(self, name: str) -> Sequence[ReadableSpan]:
        """The spans of one name."""
        return [span for span in self.traced.spans if span.name == name]


class Broker:
    """Takes what is published and keeps it."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.taken: list[tuple[str, Outgoing]] = []
        self._error = error

    async def publish(self, topic: str, message: Outgoing) -> Receipt:
        """Keep the message, or raise the error."""
        self.taken.append((topic, message))
        if self._error is not None:
            raise self._error
        return RECEIPT._replace(topic=topic)

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """Of the last message."""
        return list(self.taken[-1][1].headers)
