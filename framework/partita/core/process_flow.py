"""
Decide when a process takes no more messages in, over all partitions that it has: closed at a limit, open
again at half of it.

The limits of one partition (`core.flow`) do not bound a process that has a thousand of them. A partition
that has nothing in hand may start one message all the same, and while the process is closed such partitions
read in turn, one at a time.
"""

import math
from collections.abc import Callable, Mapping

import attrs

from partita.core.errors import SettingsError
from partita.core.ports import TopicPartition

MEBIBYTE = 1024 * 1024


@attrs.frozen
class FlowLimits:
    """
    How much of a bus's messages may be in hand in this process.

    Args:
        bytes: of all partitions, arrived and not handled; one poll may overshoot it. Default 64 MiB.
        unfinished: messages of all partitions that were started and are not finished; each partition may
            have one beyond it. Default 50,000.
        partition_bytes: of one partition, arrived and not handled; one fetch may overshoot it. Default 4 MiB.
        partition_unfinished: messages of one partition that were started and are not finished; default 1,000.
        partition_span: offsets of one partition between the first unfinished message and the last started;
            default 20,000.

    Raises:
        SettingsError: one of them is not a whole number of 1 or more.
    """

    bytes: int = 64 * MEBIBYTE
    unfinished: int = 50_000
    partition_bytes: int = 4 * MEBIBYTE
    partition_unfinished: int = 1_000
    partition_span: int = 20_000

    def __attrs_post_init__(self) -> None:
        for name in attrs.fields_dict(FlowLimits):
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not (whole and 0 < value < math.inf):
                raise SettingsError(f"FlowLimits({name}={value!r}): give a whole number of 1 or more")


DEFAULT_LIMITS = FlowLimits()


@attrs.define(eq=False)
class ProcessFlow:
    """
    What all partitions of a bus have in hand in this process.

    Args:
        limits: how much that may be.

    Attributes:
        held: bytes that have arrived and are not handled.
        unfinished: messages that were started and are not finished.
        full: whether a partition that has unfinished messages starts no more. Partitions count
            before and after they start some, and at each poll, so what has ended may count for a while.
        on_room: called when that ends.
    """

    limits: FlowLimits = DEFAULT_LIMITS
    held: int = attrs.field(default=0, init=False)
    unfinished: int = attrs.field(default=0, init=False)
    full: bool = attrs.field(default=False, init=False)
    on_room: list[Callable[[], None]] = attrs.field(factory=list, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    @property
    def closed(self) -> bool:
        """Whether no more is to be taken in. Looked at once for each poll."""
        if self.held >= self.limits.bytes:
            self._closed = True
        elif self.held * 2 <= self.limits.bytes:
            self._closed = False
        return self._closed

    @property
    def room(self) -> int:
        """How many messages may be started."""
        return 0 if self.full else self.limits.unfinished - self.unfinished

    @property
    def looks_full(self) -> bool:
        """Whether more than half of what may be unfinished is, unless some have ended since they counted."""
        return self.unfinished * 2 > self.limits.unfinished

    def count(self, more: int) -> None:
        """So many *more* messages are unfinished."""
        self.unfinished += more
        if self.unfinished >= self.limits.unfinished:
            self.full = True
        elif self.full and self.unfinished * 2 <= self.limits.unfinished:
            self.full = False
            for tell in self.on_room:
                tell()


def in_turn(busy: Mapping[TopicPartition, bool], last: TopicPartition | None) -> TopicPartition | None:
    """
    Who may read while the process is closed; None: nobody can.

    Args:
        busy: whether it has something in hand, of each partition.
        last: who could before; as long as it is busy the turn is its own, and nobody reads.
    """
    names = list(busy)
    if last is None or last not in busy:
        last = names[-1] if names else None
    elif busy[last]:
        return last
    after = names.index(last) + 1 if last is not None else 0
    return next((each for each in names[after:] + names[:after] if not busy[each]), None)
