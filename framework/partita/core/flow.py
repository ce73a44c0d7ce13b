"""Decide when a partition takes no more from its broker: closed at its limit, open again at half of it."""

import attrs

from partita.core.errors import SettingsError

DEFAULT_BYTES = 4 * 1024 * 1024


@attrs.define(eq=False)
class FlowGate:
    """
    The intake of one partition, by bytes that have arrived and are not handled.

    The gap between closing and opening keeps a fast partition from opening for one message at a time.

    Args:
        limit: bytes at which the gate closes; one fetch may overshoot it.
    """

    limit: int = DEFAULT_BYTES
    held: int = attrs.field(default=0, init=False)
    closed: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        if self.limit < 1:
            raise SettingsError(f"a flow limit of {self.limit} bytes lets nothing in; give 1 or more")

    def take(self, size: int) -> None:
        """*size* bytes have arrived."""
        self.held += size
        if self.held >= self.limit:
            self.closed = True

    def release(self, size: int) -> bool:
        """*size* bytes are handled; True when that opened the gate."""
        self.held -= size
        if self.closed and self.held * 2 <= self.limit:
            self.closed = False
            return True
        return False
