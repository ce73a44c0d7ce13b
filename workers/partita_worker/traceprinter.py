"""Prints each trace of this process when it has finished: a span processor with a thread of its own."""

import threading
import time
from collections.abc import Callable, Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import StatusCode

from partita_worker.tracetree import (
    QUIET_SECONDS,
    WAITED_EVENT,
    WAITED_SECONDS,
    FinishedSpan,
    TraceBook,
    TracePart,
    render,
)

JOIN_SECONDS = 5.0


class TracePrinter(SpanProcessor):
    """
    Hands every finished trace as text to *write*, from a thread of its own.

    The tasks that end spans only take a short lock: text is made and written in the thread. After an
    OSError or ValueError of *write*, such as a closed pipe, nothing is printed any more.

    Args:
        write: takes lines that end with a newline.
        quiet: seconds after the last span of a trace until it is printed.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        *,
        quiet: float = QUIET_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._clock = clock
        self._book = TraceBook(quiet)
        self._wake = threading.Condition()
        self._printing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._broken = False

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """A span has started."""
        with self._wake:
            self._book.started(span.get_span_context().trace_id)

    def on_end(self, span: ReadableSpan) -> None:
        """A span has ended."""
        if span.context is None:
            return
        finished = finished_span(span)
        with self._wake:
            self._book.ended(span.context.trace_id, finished, self._clock())
            if not self._closed:
                self._start()
                self._wake.notify()

    def shutdown(self) -> None:
        """Print what is left, and end the thread. Doing it twice is doing it once."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(JOIN_SECONDS)
        self._print_rest()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Print what has finished, without waiting for more of the same trace."""
        self._print_rest()
        return True

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="partita-traces", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._closed:
            with self._wake:
                self._await_due()
                parts = self._book.due(self._clock())
            self._print(parts)

    def _await_due(self) -> None:
        while not self._closed:
            wait = self._book.wait(self._clock())
            if wait == 0:
                return
            self._wake.wait(wait)

    def _print_rest(self) -> None:
        with self._wake:
            parts = self._book.rest()
        self._print(parts)

    def _print(self, parts: Sequence[TracePart]) -> None:
        with self._printing:
            for part in parts:
                if self._broken:
                    return
                self._print_part(part)

    def _print_part(self, part: TracePart) -> None:
        try:
            self._write(render(part))
        except (OSError, ValueError):
            # The reader of our output is gone. A trace is not worth more than the work itself.
            self._broken = True


def finished_span(span: ReadableSpan) -> FinishedSpan:
    """What the tree needs of an ended span."""
    return FinishedSpan(
        span_id=span.context.span_id if span.context is not None else 0,
        parent_id=span.parent.span_id if span.parent is not None else None,
        name=span.name,
        kind=span.kind.name.lower(),
        start=span.start_time or 0,
        end=span.end_time or 0,
        failed=span.status.status_code is StatusCode.ERROR,
        attributes=dict(span.attributes or {}),
        waited=_waited(span),
        linked=[link.context.trace_id for link in span.links],
    )


def _waited(span: ReadableSpan) -> float | None:
    for event in span.events:
        seconds = (event.attributes or {}).get(WAITED_SECONDS)
        if event.name == WAITED_EVENT and isinstance(seconds, float):
            return seconds
    return None
