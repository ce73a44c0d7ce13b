"""
Decide how many messages a worker handles before it lets others have their turn.

A slice is to take about 2 ms, whatever a message takes: so the client, other partitions and timers are
served in time, and what a turn costs is spread over many messages. Pure: the caller measures the time.
"""

import attrs

FIRST, SHORTEST, LONGEST = 64, 1, 4096
SECONDS = 0.002


@attrs.define(eq=False)
class SliceLength:
    """
    The length of the next slice, in messages.

    Attributes:
        messages: doubles while slices are quick, and halves when one was slow.
    """

    messages: int = FIRST

    def took(self, seconds: float, handled: int, of: int) -> None:
        """A slice of *of* messages took so long for the *handled* that there were."""
        if seconds > 2 * SECONDS:
            self.messages = max(SHORTEST, of // 2)
        elif seconds < SECONDS / 2 and handled == of:
            self.messages = min(LONGEST, of * 2)
