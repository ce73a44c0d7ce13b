"""What was delivered to this member and is not acknowledged yet: which message stands for an offset."""

from array import array
from bisect import bisect_left

import attrs


@attrs.frozen
class Acknowledge:
    """
    What a commit has to send.

    Args:
        reply: the reply subject of a delivered message; its ack says that all up to it are done.
        offset: that message's.
    """

    reply: str
    offset: int


@attrs.define(eq=False)
class Deliveries:
    """
    The delivered, unacknowledged messages of one partition, oldest first.

    A reset of the consumer delivers them anew under new numbers. Only the new ones may be acknowledged:
    the server takes an ack with a higher delivery number than it has given out since, and from then on
    answers every ack below that number without doing anything (seen on 2.15.1).

    Args:
        committed: the offset to read next of what was acknowledged last.
    """

    committed: int = 0
    _offsets: "array[int]" = attrs.field(factory=lambda: array("Q"), init=False)
    _replies: list[str] = attrs.field(factory=list, init=False)

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def last(self) -> int:
        """The highest offset here, or -1."""
        return self._offsets[-1] if self._offsets else -1

    def add(self, offset: int, reply: str) -> None:
        """A message was delivered. One that is delivered again, out of turn, is not taken twice."""
        if offset > self.last:
            self._offsets.append(offset)
            self._replies.append(reply)

    def restart(self) -> None:
        """The consumer delivers from its floor again."""
        del self._offsets[:]
        self._replies.clear()

    def until(self, next_offset: int) -> Acknowledge | None:
        """
        What to send so that *next_offset* is the one to read next; None when that is so already.

        Raises:
            LookupError: the message is being delivered anew and has not come yet.
        """
        at = bisect_left(self._offsets, next_offset) - 1
        complete = at + 1 < len(self._offsets) or self.last + 1 >= next_offset
        if not complete and next_offset > self.committed:
            raise LookupError("the consumer was reset; its messages have not come back yet")
        if at < 0:
            return None
        return Acknowledge(self._replies[at], self._offsets[at])

    def acknowledged(self, offset: int) -> None:
        """All up to *offset* are done."""
        self.committed = max(self.committed, offset + 1)
        count = bisect_left(self._offsets, offset + 1)
        del self._offsets[:count]
        del self._replies[:count]
