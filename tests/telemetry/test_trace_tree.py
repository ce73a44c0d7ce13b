"""How a trace is printed, and when: golden text, and a book whose clock is an argument."""

import pytest

from partita.telemetry import semconv
from partita_worker import tracetree
from partita_worker.tracetree import FinishedSpan, TraceBook, TracePart, render

TRACE = 0x0AF7651916CD43DD8448EB211C80319C
MS = 1_000_000


def _span(span_id: int, parent_id: int | None = None, *, start: int = 0, name: str = "work") -> FinishedSpan:
    return FinishedSpan(span_id, parent_id, name, "internal", start * MS, (start + 1) * MS)


def test_trace_is_printed_as_a_tree_of_aligned_lines() -> None:
    """The picture that the README shows: who caused what, where, how long and how it ended."""
    kafka, nats = {"messaging.system": "kafka"}, {"messaging.system": "nats"}
    place = {"messaging.destination.partition.id": "2", "messaging.kafka.offset": 17}
    failure = {"error.type": "TimeoutError", "partita.attempt": 2}
    stop = {"error.type": "CancelledError"}
    bill = {"messaging.destination.partition.id": "0", "messaging.nats.sequence": 5}
    spans = [
        FinishedSpan(1, None, "send orders", "producer", 0, 3_210_000, False, {**kafka, **place}),
        FinishedSpan(4, 3, "publish bills", "producer", 90 * MS, 91 * MS, False, {**nats, **bill}),
        FinishedSpan(
            2, 1, "process orders", "consumer", 5 * MS, 17 * MS, True, {**kafka, **place, **failure}
        ),
        FinishedSpan(3, 1, "process orders", "consumer", 60 * MS, 1_260 * MS, False, {**kafka, **place}),
        FinishedSpan(5, 4, "process bills", "consumer", 95 * MS, 96 * MS, False, {**nats, **stop}),
    ]

    text = render(TracePart(TRACE, spans))

    assert text == (
        "trace 0af7651916cd43dd8448eb211c80319c\n"
        "  send orders          producer  kafka  2@17     3.21 ms  ok\n"
        "    process orders     consumer  kafka  2@17    12.00 ms  error TimeoutError, attempt 2\n"
        "    process orders     consumer  kafka  2@17  1200.00 ms  ok\n"
        "      publish bills    producer  nats   0@5      1.00 ms  ok\n"
        "        process bills  consumer  nats   -        1.00 ms  stopped by CancelledError\n"
    )


def test_waits_dead_letters_and_batches_are_told() -> None:
    """What kept a message, where it ended, and whose messages a batch held."""
    spans = [
        FinishedSpan(1, None, "a", "consumer", 0, MS, attributes={"partita.attempt": 2}, waited=0.0125),
        FinishedSpan(2, 1, "b", "producer", 0, MS, attributes={"partita.dead_letter": True}),
        FinishedSpan(
            3, 1, "c", "consumer", 0, MS, attributes={"messaging.batch.message_count": 9}, linked=[1, 1, 2]
        ),
        FinishedSpan(4, 1, "d", "consumer", 0, MS, attributes={"messaging.batch.message_count": 2}),
        FinishedSpan(
            5, 1, "e", "consumer", 0, MS, attributes={"messaging.batch.message_count": 4}, linked=[1, 2, 3, 4]
        ),
    ]

    text = render(TracePart(TRACE, spans))

    one, two, three = (f"{number:032x}" for number in (1, 2, 3))
    assert [line.partition("ok, ")[2] for line in text.splitlines()[1:]] == [
        "attempt 2, waited 12.50 ms",
        "dead letter",
        f"9 messages of {one} {two}",
        "2 messages",
        f"4 messages of {one} {two} {three} ...",
    ]


def test_parent_of_another_process_is_named_at_a_root() -> None:
    """A trace that began elsewhere is still a tree here, and says where it hangs."""
    text = render(TracePart(TRACE, [_span(2, 0xF067AA0BA902B7), _span(3, 2)]))

    assert text == (
        "trace 0af7651916cd43dd8448eb211c80319c\n"
        "  work    internal  -  -  1.00 ms  ok  (parent 00f067aa0ba902b7 elsewhere)\n"
        "    work  internal  -  -  1.00 ms  ok\n"
    )


def test_name_from_anywhere_does_not_act_on_the_terminal() -> None:
    """A span's name may hold control characters; a terminal must not obey them."""
    text = render(TracePart(TRACE, [_span(1, name="\x1b[2Jé\n" + "x" * 80), _span(2)]))

    assert r"\x1b[2Jé\x0a" in text
    assert text.count("\n") == 3


def test_deep_trace_is_printed_without_recursion() -> None:
    """A chain of handlers may be longer than Python's stack."""
    text = render(TracePart(TRACE, [_span(i, i - 1 or None, start=i) for i in range(1, 3001)]))

    assert text.count("\n") == 3001


def test_trace_is_due_a_moment_after_its_last_open_span() -> None:
    """A message that crosses a broker starts its next span a little later; both are one tree."""
    book = TraceBook(quiet=1.0)
    book.started(TRACE)
    book.started(TRACE)

    book.ended(TRACE, _span(1), 10.0)
    assert (book.wait(11.0), book.due(99.0)) == (None, [])
    book.ended(TRACE, _span(2, 1), 10.5)
    assert (book.wait(11.0), book.due(11.0)) == (0.5, [])
    book.started(TRACE)
    assert (book.wait(20.0), book.due(20.0)) == (None, [])
    book.ended(TRACE, _span(3, 2), 20.0)

    (part,) = book.due(21.0)
    assert [span.span_id for span in part.spans] == [1, 2, 3]
    assert (part.continued, book.wait(99.0), book.rest()) == (False, None, [])


def test_span_that_comes_after_its_trace_was_printed_continues_it() -> None:
    """A retry after a minute is printed under the same trace id, and says that its parent is above."""
    book = TraceBook(quiet=1.0)
    book.started(TRACE)
    book.ended(TRACE, _span(1), 0.0)
    book.due(1.0)
    book.started(TRACE)
    book.ended(TRACE, _span(2, 1), 60.0)

    (part,) = book.due(61.0)

    assert render(part) == (
        "trace 0af7651916cd43dd8448eb211c80319c (continued)\n"
        "  work  internal  -  -  1.00 ms  ok  (parent 0000000000000001 above)\n"
    )


def test_rest_is_everything_that_has_finished() -> None:
    """At the end of the process nothing that has ended is kept back, whatever is still open."""
    book = TraceBook(quiet=1.0)
    for trace_id in (1, 1, 2, 3):
        book.started(trace_id)
    book.ended(1, _span(1), 0.0)
    book.ended(2, _span(2), 0.0)

    parts = book.rest()

    assert [(part.trace_id, len(part.spans)) for part in parts] == [(1, 1), (2, 1)]
    assert (book.rest(), book.wait(0.0)) == ([], None)


def test_book_gives_the_oldest_trace_out_when_it_is_full() -> None:
    """Memory is bounded even where one span never ends, and what comes later continues the trace."""
    book = TraceBook(quiet=1.0, most_spans=3)
    book.started(1)
    for span_id in range(1, 8):
        book.started(1)
        book.ended(1, _span(span_id), 0.0)

    parts = book.due(0.0)

    assert [[span.span_id for span in part.spans] for part in parts] == [[1, 2, 3, 4]]
    book.ended(1, _span(8), 0.0)
    (rest,) = [*book.due(1.0), *book.rest()]
    assert [span.span_id for span in rest.spans] == [5, 6, 7, 8]
    assert rest.continued


def test_traces_that_never_end_are_forgotten_from_the_oldest_on() -> None:
    """Spans that a library forgets to end do not grow the worker."""
    book = TraceBook(quiet=1.0)
    for trace_id in range(tracetree.MOST_TRACES + 5):
        book.started(trace_id)

    book.ended(0, _span(1), 0.0)

    assert [part.trace_id for part in book.due(1.0)] == [0]


@pytest.mark.parametrize(
    "name",
    [
        *("SYSTEM", "PARTITION", "ATTEMPT", "ERROR_TYPE"),
        *("DEAD_LETTER", "BATCH_COUNT", "WAITED_EVENT", "WAITED_SECONDS"),
    ],
)
def test_tree_reads_the_names_that_are_emitted(name: str) -> None:
    """The worker may not reach into the framework, so this holds the two lists of names together."""
    assert getattr(tracetree, name) == getattr(semconv, name)
    assert {semconv.offset_name(system) for system in ("kafka", "nats", "memory")} == set(tracetree.OFFSETS)
