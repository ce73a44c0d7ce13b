"""How the client's own records are read: handed on as they are, by a reader of their backend."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import attrs

from partita.core.errors import DecodeError

Headers = Sequence[tuple[str, bytes]]


@attrs.frozen(eq=False)
class Flaw:
    """
    Why what arrived is no record that a handler could be called with.

    Args:
        error: what its call fails with.
        last_offset: of what it stands for; above its own offset for a batch that cannot be opened.
        remains: the bytes that arrived, for the dead letter; None: there is none, only parking.
        value: whether *remains* is the message's own value, and only what stands beside it is damaged.
    """

    error: DecodeError
    last_offset: int
    remains: bytes | None = None
    value: bool = False


class RecordReader(Protocol):
    """Reads the client's own records. Each member but the first is a plain function of one record."""

    @property
    def record_type(self) -> str:
        """The dotted name of the client's record class, as a handler may annotate it."""
        ...

    @property
    def topic(self) -> Callable[[object], str]:
        """The topic, under the name it was published to."""
        ...

    @property
    def partition(self) -> Callable[[object], int]:
        """The partition's number, from 0."""
        ...

    @property
    def offset(self) -> Callable[[object], int]:
        """The place in the partition; it only grows, with gaps."""
        ...

    @property
    def timestamp(self) -> Callable[[object], int]:
        """Milliseconds since 1970."""
        ...

    @property
    def key(self) -> Callable[[object], bytes | None]:
        """The key, or None."""
        ...

    @property
    def value(self) -> Callable[[object], bytes | None]:
        """The payload, or None for a null value."""
        ...

    @property
    def headers(self) -> Callable[[object], Headers]:
        """Name and bytes pairs in the order they were sent, duplicates kept."""
        ...


@runtime_checkable
class WaryReader(RecordReader, Protocol):
    """Reads what may turn out to be no record at all."""

    @property
    def flaw(self) -> Callable[[object], Flaw | None]:
        """What keeps it from being a record; None: it is one."""
        ...


def flaw_of(reader: RecordReader, record: object) -> Flaw | None:
    """What keeps *record* from being one; None: nothing does."""
    return reader.flaw(record) if isinstance(reader, WaryReader) else None
