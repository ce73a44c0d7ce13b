"""
A finished trace as an indented tree of lines, and the decision when a trace is finished.

No clock, lock or thread in here: traceprinter.py has those.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

import attrs

QUIET_SECONDS = 1.0
MOST_SPANS = 10_000
MOST_TRACES = 10_000
MOST_PRINTED = 100
WIDEST_LABEL = 60
LINKS_PRINTED = 3

# What a line shows; the framework is what emits them.
SYSTEM = "messaging.system"
PARTITION = "messaging.destination.partition.id"
OFFSETS = ("messaging.kafka.offset", "messaging.nats.sequence", "partita.offset")
ATTEMPT = "partita.attempt"
DEAD_LETTER = "partita.dead_letter"
BATCH_COUNT = "messaging.batch.message_count"
WAITED_EVENT = "partita.waited"
WAITED_SECONDS = "partita.waited.seconds"
ERROR_TYPE = "error.type"


@attrs.frozen
class FinishedSpan:
    """
    What the tree needs of a span.

    Args:
        span_id: its id.
        parent_id: its parent's, None for the root of a trace.
        name: such as "process orders".
        kind: "producer", "consumer", "internal", "client" or "server".
        start: nanoseconds since 1970.
        end: nanoseconds since 1970.
        failed: whether its status is an error.
        attributes: of the span.
        waited: seconds that its message has waited for others before.
        linked: the traces that it links.
    """

    span_id: int
    parent_id: int | None
    name: str
    kind: str
    start: int
    end: int
    failed: bool = False
    attributes: Mapping[str, object] = attrs.field(factory=dict)
    waited: float | None = None
    linked: Sequence[int] = ()


@attrs.frozen
class TracePart:
    """
    Spans of one trace that are printed together.

    Args:
        trace_id: whose they are.
        spans: finished ones, in the order they finished.
        continued: whether a part of the trace was printed before.
        above: ids of the spans that were printed in that part.
    """

    trace_id: int
    spans: Sequence[FinishedSpan]
    continued: bool = False
    above: Collection[int] = frozenset()


def render(part: TracePart) -> str:
    """
    The lines of a trace: children under their parents, by start time. Ends with a newline.

    A span whose parent is not in *part* stands at the left and names it.
    """
    rows = [[f"{'  ' * depth}{_printable(span.name)}", *_cells(span)] for depth, span in _walk(part)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    widths[0] = min(widths[0], WIDEST_LABEL)
    head = f"trace {part.trace_id:032x}{' (continued)' if part.continued else ''}"
    lines = [
        "  ".join(
            cell.rjust(width) if column == 4 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    notes = [_parent_note(span, depth, part) for depth, span in _walk(part)]
    whole = (f"  {line}{note}".rstrip() for line, note in zip(lines, notes, strict=True))
    return "\n".join([head, *whole, ""])


def _walk(part: TracePart) -> Iterator[tuple[int, FinishedSpan]]:
    here = {span.span_id for span in part.spans}
    children: dict[int | None, list[FinishedSpan]] = defaultdict(list)
    for span in sorted(part.spans, key=lambda span: span.start):
        children[span.parent_id if span.parent_id in here else None].append(span)
    waiting = [(0, span) for span in reversed(children[None])]
    while waiting:
        depth, span = waiting.pop()
        yield depth, span
        waiting.extend((depth + 1, child) for child in reversed(children.get(span.span_id, ())))


def _cells(span: FinishedSpan) -> list[str]:
    told = span.attributes
    offset = next((f"@{told[name]}" for name in OFFSETS if name in told), "")
    return [
        span.kind,
        _printable(str(told.get(SYSTEM, "-"))),
        _printable(f"{told.get(PARTITION, '')}{offset}") or "-",
        f"{(span.end - span.start) / 1e6:.2f} ms",
        ", ".join([_outcome(span), *_details(span)]),
    ]


def _details(span: FinishedSpan) -> Iterator[str]:
    told = span.attributes
    if ATTEMPT in told:
        yield f"attempt {told[ATTEMPT]}"
    if span.waited is not None:
        yield f"waited {span.waited * 1e3:.2f} ms"
    if told.get(DEAD_LETTER):
        yield "dead letter"
    if BATCH_COUNT in told:
        traces = [f"{each:032x}" for each in dict.fromkeys(span.linked)]
        more = ["..."] if len(traces) > LINKS_PRINTED else []
        of = f" of {' '.join(traces[:LINKS_PRINTED] + more)}" if traces else ""
        yield f"{told[BATCH_COUNT]} messages{of}"


def _outcome(span: FinishedSpan) -> str:
    error = span.attributes.get(ERROR_TYPE)
    if error is None:
        return "error" if span.failed else "ok"
    return f"{'error' if span.failed else 'stopped by'} {_printable(str(error))}"


def _parent_note(span: FinishedSpan, depth: int, part: TracePart) -> str:
    if depth or span.parent_id is None:
        return ""
    place = "above" if span.parent_id in part.above else "elsewhere"
    return f"  (parent {span.parent_id:016x} {place})"


def _printable(text: str) -> str:
    """A name may come from anywhere, and a control character would act on the terminal."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


@attrs.define
class _Gathered:
    open: int = 0
    spans: list[FinishedSpan] = attrs.field(factory=list)


class TraceBook:
    """
    Gathers the spans of this process by trace and says which traces may be printed.

    A trace is due when its last open span ended *quiet* seconds ago: the next span of a trace that
    crosses a broker starts a little later. What is gathered is bounded: above it the oldest trace is
    due at once, and what comes later is its continuation.

    Args:
        quiet: in seconds.
        most_spans: how many finished spans may wait here.
    """

    def __init__(self, quiet: float = QUIET_SECONDS, most_spans: int = MOST_SPANS) -> None:
        self._quiet = quiet
        self._most_spans = most_spans
        self._held = 0
        self._traces: OrderedDict[int, _Gathered] = OrderedDict()
        self._due_at: OrderedDict[int, float] = OrderedDict()
        self._overflow: list[TracePart] = []
        self._printed: OrderedDict[int, frozenset[int]] = OrderedDict()

    def started(self, trace_id: int) -> None:
        """A span of the trace has started."""
        self._traces.setdefault(trace_id, _Gathered()).open += 1
        self._due_at.pop(trace_id, None)
        if len(self._traces) > MOST_TRACES:
            self._spill(forget=True)

    def ended(self, trace_id: int, span: FinishedSpan, now: float) -> None:
        """A span of the trace has ended; *now* is in seconds on any clock that never goes back."""
        gathered = self._traces.setdefault(trace_id, _Gathered())
        gathered.open = max(0, gathered.open - 1)
        gathered.spans.append(span)
        self._held += 1
        if not gathered.open:
            self._due_at.pop(trace_id, None)
            self._due_at[trace_id] = now + self._quiet
        if self._held > self._most_spans:
            self._spill(forget=False)

    def wait(self, now: float) -> float | None:
        """Seconds until something is due; None: nothing will be without another span."""
        if self._overflow:
            return 0.0
        return max(0.0, next(iter(self._due_at.values())) - now) if self._due_at else None

    def due(self, now: float) -> Sequence[TracePart]:
        """What may be printed now; it is forgotten here."""
        parts, self._overflow = self._overflow, []
        while self._due_at and next(iter(self._due_at.values())) <= now:
            trace_id, _ = self._due_at.popitem(last=False)
            parts.append(self._part(trace_id, self._traces.pop(trace_id)))
        return parts

    def rest(self) -> Sequence[TracePart]:
        """Everything that has finished, whether more may come or not."""
        parts, self._overflow = self._overflow, []
        self._due_at.clear()
        traces, self._traces = self._traces, OrderedDict()
        for trace_id, gathered in traces.items():
            if gathered.spans:
                parts.append(self._part(trace_id, gathered))
        return parts

    def _spill(self, *, forget: bool) -> None:
        """Give the oldest trace out; keep how many spans of it are open, unless it is to be forgotten."""
        trace_id = next(t for t, gathered in self._traces.items() if forget or gathered.spans)
        gathered = self._traces.pop(trace_id)
        self._due_at.pop(trace_id, None)
        if gathered.spans:
            self._overflow.append(self._part(trace_id, gathered))
        if gathered.open and not forget:
            self._traces[trace_id] = _Gathered(gathered.open)

    def _part(self, trace_id: int, gathered: _Gathered) -> TracePart:
        self._held -= len(gathered.spans)
        above = self._printed.pop(trace_id, None)
        self._printed[trace_id] = frozenset(span.span_id for span in gathered.spans)
        while len(self._printed) > MOST_PRINTED:
            self._printed.popitem(last=False)
        return TracePart(trace_id, gathered.spans, above is not None, above or frozenset())
