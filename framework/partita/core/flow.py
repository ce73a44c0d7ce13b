"""
Decide when a partition takes no more from its broker, and when it starts no more: closed at a limit, open
again at half of it.

What has arrived is counted in bytes, what was started and is unfinished in messages, and how far the
reading has run ahead of the first unfinished message in offsets. The gap between closing and opening keeps
a fast partition from opening for one message at a time.
"""

import attrs

from partita.core.errors import SettingsError
from partita.core.process_flow import DEFAULT_LIMITS, FlowLimits, ProcessFlow

DEFAULT_BYTES = DEFAULT_LIMITS.partition_bytes
DEFAULT_OPEN = DEFAULT_LIMITS.partition_unfinished
DEFAULT_SPAN = DEFAULT_LIMITS.partition_span
# What a message costs beside its payload, about, so that empty ones do not come in for nothing.
MESSAGE_BYTES = 200


@attrs.define(eq=False)
class FlowGate:
    """
    The limits of one partition.

    Args:
        limit: bytes at which the intake closes; one fetch may overshoot it.
        most_open: unfinished messages at which no more are started.
        most_span: offsets between the first unfinished message and the last started, likewise.
        process: what all partitions of the process have in hand.

    Attributes:
        held: bytes that have arrived and are not handled.
        closed: whether the intake is closed.
        full: whether no more messages are started.
    """

    limit: int = DEFAULT_BYTES
    most_open: int = DEFAULT_OPEN
    most_span: int = DEFAULT_SPAN
    process: ProcessFlow = attrs.field(factory=ProcessFlow)
    held: int = attrs.field(default=0, init=False)
    closed: bool = attrs.field(default=False, init=False)
    full: bool = attrs.field(default=False, init=False)
    _counted: int = attrs.field(default=0, init=False)

    @classmethod
    def of(cls, limits: FlowLimits, process: ProcessFlow) -> "FlowGate":
        """The gate of one more partition."""
        return cls(limits.partition_bytes, limits.partition_unfinished, limits.partition_span, process)

    def __attrs_post_init__(self) -> None:
        for name in ("limit", "most_open", "most_span"):
            if getattr(self, name) < 1:
                raise SettingsError(f"a flow {name} of {getattr(self, name)} lets nothing in; give 1 or more")

    def widen(self, messages: int) -> None:
        """Let at least so many messages be unfinished, and offsets lie between them."""
        self.most_open = max(self.most_open, messages)
        self.most_span = max(self.most_span, messages)

    def take(self, size: int) -> None:
        """*size* bytes have arrived."""
        self.held += size
        self.process.held += size
        if self.held >= self.limit:
            self.closed = True

    def release(self, size: int) -> None:
        """*size* bytes are handled."""
        self.held -= size
        self.process.held -= size
        if self.closed and self.held * 2 <= self.limit:
            self.closed = False

    def count(self, unfinished: int, span: int) -> int:
        """Look at what is unfinished now; returns how many messages may be started, 0 when it is full."""
        self.report(unfinished)
        room = min(self.most_open - unfinished, self.most_span - span)
        if room <= 0:
            self.full = True
        elif self.full and unfinished * 2 <= self.most_open and span * 2 <= self.most_span:
            self.full = False
        return 0 if self.full else min(room, self.process.room or int(not unfinished))

    def report(self, unfinished: int) -> None:
        """Tell the process how many messages are unfinished here now."""
        if unfinished != self._counted:
            self.process.count(unfinished - self._counted)
            self._counted = unfinished

    def leave(self) -> None:
        """The partition is gone: what it had in hand does not count for the process any more."""
        process, self.process = self.process, ProcessFlow()
        process.held -= self.held
        process.count(-self._counted)
