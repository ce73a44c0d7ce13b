"""How the client's own records are read: handed on as they are, by a reader of their backend."""

from collections.abc import Callable, Sequence
from typing import Protocol

Headers = Sequence[tuple[str, bytes]]


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
