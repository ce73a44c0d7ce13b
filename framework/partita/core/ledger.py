"""
Know which offsets of a partition are unfinished, and so what may be committed.

Only unfinished offsets are tracked: the committable offset is the first of them, else the read position.
Each offset enters and leaves once, so the cost is constant per message however many are open, and gaps
in the offsets cost nothing. A message that is finished before the next begins is never entered at all.
"""

from collections import deque

import attrs


@attrs.define(eq=False)
class Ledger:
    """
    The open offsets of one partition under one lease.

    Args:
        position: the offset to read next; None until something was read.
    """

    position: int | None = None
    _order: deque[int] = attrs.field(factory=deque, init=False)
    _open: set[int] = attrs.field(factory=set, init=False)

    def read_to(self, position: int) -> None:
        """Everything below *position* was finished or opened. Never moves back."""
        if self.position is None or position > self.position:
            self.position = position

    def open(self, offset: int) -> None:
        """
        A message is unfinished from now on.

        Raises:
            ValueError: the offset is not above all that were read before it.
        """
        if self.position is not None and offset < self.position:
            raise ValueError(f"offset {offset} is below the position {self.position}")
        self._order.append(offset)
        self._open.add(offset)
        self.position = offset + 1

    def finish(self, offset: int) -> None:
        """The message is dealt with: done, or moved where it is safe. A second time counts for nothing."""
        self._open.discard(offset)

    @property
    def unfinished(self) -> int:
        """How many opened offsets are not finished."""
        return len(self._open)

    @property
    def committable(self) -> int | None:
        """The first unfinished offset, else the position; None when nothing was read yet."""
        order, unfinished = self._order, self._open
        while order and order[0] not in unfinished:
            order.popleft()
        return order[0] if order else self.position

    @property
    def span(self) -> int:
        """How many offsets lie from the committable one to the position."""
        return (self.position or 0) - (self.committable or 0)
