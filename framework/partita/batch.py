"""What a batch handler is given."""

from collections.abc import Iterator, MutableMapping, Sequence
from typing import overload

from partita.core.ports import RecordReader
from partita.message import Message


class Batch(Sequence[Message]):
    """
    Messages of one partition, in order. Nothing is copied: each is a view of the client's own record.

    Attributes:
        raw: the client's records.
    """

    __slots__ = ("_failures", "_reader", "raw")

    def __init__(
        self, raw: Sequence[object], reader: RecordReader, failures: MutableMapping[int, BaseException]
    ) -> None:
        self.raw, self._reader, self._failures = raw, reader, failures

    @property
    def topic(self) -> str:
        """The topic, under the name it was published to."""
        return self._reader.topic(self.raw[0])

    @property
    def partition(self) -> int:
        """The partition's number, from 0."""
        return self._reader.partition(self.raw[0])

    @property
    def values(self) -> list[bytes | None]:
        """The payloads; None is a null value, which empty bytes are not."""
        return [*map(self._reader.value, self.raw)]

    def fail(self, index: int, error: Exception) -> None:
        """
        Say that one message has failed: it goes the way of a failed message, and the others are done when
        the handler ends well.

        Args:
            index: its place in the batch, from 0.
            error: why.

        Raises:
            IndexError: the batch has no such place.
            TypeError: *error* is no exception.
        """
        if not 0 <= index < len(self.raw):
            raise IndexError(f"this batch has messages 0 to {len(self.raw) - 1}, and no {index}")
        if not isinstance(error, Exception):
            raise TypeError(f"give an exception, not {type(error).__name__}: retries look at its class")
        self._failures[index] = error

    @overload
    def __getitem__(self, index: int) -> Message: ...

    @overload
    def __getitem__(self, index: slice) -> list[Message]: ...

    def __getitem__(self, index: int | slice) -> Message | list[Message]:
        if isinstance(index, slice):
            return [Message(record, self._reader) for record in self.raw[index]]
        return Message(self.raw[index], self._reader)

    def __iter__(self) -> Iterator[Message]:
        return (Message(record, self._reader) for record in self.raw)

    def __len__(self) -> int:
        return len(self.raw)

    def __repr__(self) -> str:
        return f"<Batch {self.topic}/{self.partition}: {len(self.raw)} messages>"
