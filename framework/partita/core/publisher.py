"""The seam for what sends messages."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, runtime_checkable

from partita.core.figures import Published
from partita.core.outgoing import Outgoing, Receipt
from partita.core.records import Headers


class Publisher(Protocol):
    """Sends messages; each acknowledgement is the broker's own."""

    @property
    def pending_bytes(self) -> int:
        """Bytes of messages that are not acknowledged yet, about."""
        ...

    @property
    def pending_since(self) -> float | None:
        """Loop time in seconds since when the oldest of them waits; None: there is none."""
        ...

    @property
    def published(self) -> Published:
        """What it counts: acknowledged messages, their bytes, and how long they took."""
        ...

    async def publish(self, topic: str, message: Outgoing) -> Receipt:
        """
        Send and wait for the acknowledgement. A cancelled wait does not take the message back.

        Raises:
            TopicMissing: the topic does not exist.
            MessageTooLarge: refused before sending.
            Exception: the client's own error, untouched.
        """
        ...

    def send(self, topic: str, message: Outgoing) -> Awaitable[Receipt]:
        """Send without waiting; sends of one caller keep their order per partition."""
        ...

    async def flush(self) -> None:
        """Wait until everything sent so far is acknowledged or failed. Raises nothing of theirs."""
        ...


# Value, key, headers, partition and timestamp of a message for one topic; await the result at once.
Post = Callable[[bytes | None, bytes | None, Headers, int | None, int | None], Awaitable[Receipt]]


@runtime_checkable
class QuickPublisher(Protocol):
    """A publisher with a shorter way, and a limit for what is under way."""

    @property
    def posts(self) -> Mapping[str, Post]:
        """For topics that were published to: what does the same without an object for each message."""
        ...

    def queue(self, topic: str, message: Outgoing) -> Awaitable[Receipt]:
        """What `Publisher.publish` does; await the result at once."""
        ...
