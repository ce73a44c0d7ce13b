"""The printer's thread: what it prints and when it gives up."""

import queue
import threading

from opentelemetry.sdk.trace import TracerProvider
from tests.telemetry.fakes import Counting

from partita_worker.traceprinter import TracePrinter

DEADLINE = 10.0


def _provider(printer: TracePrinter) -> TracerProvider:
    provider = TracerProvider(id_generator=Counting(), shutdown_on_exit=False)
    provider.add_span_processor(printer)
    return provider


def test_finished_trace_is_printed_while_the_worker_runs() -> None:
    """Nobody has to stop a worker to see what it did."""
    printed: queue.Queue[str] = queue.Queue()
    provider = _provider(TracePrinter(printed.put, quiet=0.01))

    with provider.get_tracer("user").start_as_current_span("work"):
        pass

    assert printed.get(timeout=DEADLINE).startswith("trace 00000000000000000000000000000001\n  work ")
    provider.shutdown()
    assert printed.empty()


def test_shutdown_prints_what_still_waits_and_nothing_twice() -> None:
    """A short run ends before the moment is over; its traces are printed all the same."""
    printed: list[str] = []
    printer = TracePrinter(printed.append, quiet=3600.0)
    provider = _provider(printer)
    tracer = provider.get_tracer("user")

    with tracer.start_as_current_span("one"), tracer.start_as_current_span("two"):
        pass
    provider.shutdown()
    printer.shutdown()

    assert [text.count("\n") for text in printed] == [3]
    assert not [t for t in threading.enumerate() if t.name == "partita-traces"]


def test_flush_prints_at_once() -> None:
    """A flush does not wait for the quiet moment."""
    printed: list[str] = []
    provider = _provider(TracePrinter(printed.append, quiet=3600.0))
    provider.get_tracer("user").start_span("work").end()

    assert provider.force_flush()

    assert len(printed) == 1
    provider.shutdown()


def test_closed_output_ends_the_printing_and_not_the_worker() -> None:
    """A pipe whose reader has gone away costs the traces, never a message."""
    tried: list[str] = []

    def closed(text: str) -> None:
        tried.append(text)
        raise BrokenPipeError

    provider = _provider(TracePrinter(closed, quiet=3600.0))
    tracer = provider.get_tracer("user")

    tracer.start_span("one").end()
    provider.force_flush()
    tracer.start_span("two").end()
    provider.shutdown()

    assert len(tried) == 1


def test_spans_of_many_threads_end_up_in_their_own_traces() -> None:
    """Handlers in threads end spans at the same time; none is lost."""
    printed: list[str] = []
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(TracePrinter(printed.append, quiet=0.001))
    tracer = provider.get_tracer("user")

    def work() -> None:
        for _ in range(50):
            with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    provider.shutdown()

    text = "".join(printed)
    assert (text.count("  outer"), text.count("    inner"), text.count("trace ")) == (200, 200, 200)
