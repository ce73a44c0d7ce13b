"""
Know which messages end the process that handles them.

A process that dies in a handler cannot say so, and writing something down for each message would cost all of
them. So each assignment stores, with its first commit, how many assignments before it ended without a clean
leave and without the committed offset moving. From the second such one on the partition is handled with
care: one message at a time, which attempt it is stored before each. What stands there when the next
assignment begins is a message that has ended a process.
"""

from collections.abc import Mapping

import attrs

from partita.core.finished import Finished
from partita.core.offset_map import OffsetMap

SUSPICIOUS = 2


@attrs.define(eq=False)
class Deaths:
    """
    What one assignment of a partition knows of deaths.

    Args:
        offset: where it started; below 0: it has not.
        unclean: earlier assignments that began there and ended in no good order.
        tried: of messages that were being handled when a process ended, how often each has been, by offset.

    Attributes:
        until: the offset up to which messages are handled with care; None: nothing has been fed yet.
    """

    offset: int = -1
    unclean: int = 0
    tried: Mapping[int, int] = attrs.field(factory=dict)
    until: int | None = attrs.field(default=None, init=False)
    _under_way: dict[int, int] = attrs.field(factory=dict, init=False)

    @classmethod
    def found(cls, offset: int, stored: OffsetMap) -> "Deaths":
        """What the commit of *offset* says."""
        return cls(offset, stored.unclean or 0, stored.tried)

    @property
    def suspected(self) -> bool:
        """Whether messages are to be handled with care."""
        return self.unclean >= SUSPICIOUS or bool(self.tried)

    def fed(self, end_offset: int) -> None:
        """Messages below *end_offset* have arrived; with those that came first the care ends."""
        if self.until is None:
            self.until = max([end_offset, *(offset + 1 for offset in self.tried)])

    def is_over(self, offset: int) -> bool:
        """Whether the message at *offset* may be handled as ever."""
        return self.until is not None and offset >= self.until

    def begin(self, offset: int, attempt: int) -> None:
        """A message is about to be handled for the *attempt*-th time."""
        self._under_way = {offset: attempt}

    def end(self) -> None:
        """Its handler has ended, and the process has not."""
        self._under_way = {}

    def forget(self) -> None:
        """The process is stopped by somebody, who may well have mended something: the next begins afresh."""
        self.offset, self.unclean, self.tried = -1, 0, {}
        self._under_way = {}

    def first(self, finished: Finished) -> OffsetMap:
        """What the first commit says: one more has begun, and is not known to have ended well."""
        return OffsetMap(finished, self.unclean + 1, self.tried)

    def beside(self, offset: int, finished: Finished, *, leaving: bool) -> OffsetMap:
        """
        What a commit of *offset* says.

        Args:
            offset: the first unfinished message's.
            finished: what is finished above it.
            leaving: whether the partition goes in good order, so that this assignment has ended well.
        """
        tried = self.tried if leaving else {**self.tried, **self._under_way}
        open_still = {at: n for at, n in tried.items() if at >= offset and at not in finished}
        if self.offset < 0 or offset > self.offset:
            return OffsetMap(finished, None, open_still)
        unclean = self.unclean if leaving else self.unclean + 1
        return OffsetMap(finished, unclean or None, open_still)
