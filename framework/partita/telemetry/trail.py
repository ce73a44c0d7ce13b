"""
What a message has left behind for its next span: its failed attempts, and since when it waits.

Only messages that failed or wait are in here, and each call takes out what there is of its message. What
the next owner of a partition calls instead stays, so the oldest are forgotten above a limit: then a span
goes without its link.
"""

from typing import TypeVar

import attrs
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext

from partita.core.ports import RecordReader

MOST_MESSAGES = 100_000

Place = tuple[str, int, int]
T = TypeVar("T")


@attrs.frozen
class Attempts:
    """
    The failed attempts of a message.

    Args:
        first: the span of the first one.
        last: of the last one.
    """

    first: SpanContext = INVALID_SPAN_CONTEXT
    last: SpanContext = INVALID_SPAN_CONTEXT


NONE = Attempts()


class Trail:
    """
    What there is of the messages of one route.

    Args:
        reader: reads the records.
        most: of how many something is kept, failed ones and waiting ones apart.
    """

    def __init__(self, reader: RecordReader, most: int = MOST_MESSAGES) -> None:
        self._reader, self._most = reader, most
        self._attempts: dict[Place, Attempts] = {}
        self._since: dict[Place, float] = {}

    def _place(self, record: object) -> Place:
        reader = self._reader
        return reader.topic(record), reader.partition(record), reader.offset(record)

    def failed(self, record: object, before: Attempts, span: SpanContext) -> None:
        """An attempt has failed; *before*: what was taken at its begin."""
        self.leave(record, Attempts(before.first if before.first.is_valid else span, span))

    def leave(self, record: object, attempts: Attempts) -> None:
        """There may be a next span."""
        self._put(self._attempts, record, attempts)

    def take(self, record: object) -> Attempts:
        """The failed attempts of a message, of which nothing is kept."""
        return self._attempts.pop(self._place(record), NONE) if self._attempts else NONE

    def look(self, record: object) -> Attempts:
        """The failed attempts of a message."""
        return self._attempts.get(self._place(record), NONE) if self._attempts else NONE

    def waits(self, record: object, now: float) -> None:
        """A message waits for others, from *now* on, in seconds."""
        self._put(self._since, record, now)

    def waited_since(self, record: object) -> float | None:
        """Since when a message has waited; None: it has not. It does not wait any longer."""
        return self._since.pop(self._place(record), None) if self._since else None

    def _put(self, kept: dict[Place, T], record: object, value: T) -> None:
        place = self._place(record)
        kept.pop(place, None)
        kept[place] = value
        if len(kept) > self._most:
            del kept[next(iter(kept))]
