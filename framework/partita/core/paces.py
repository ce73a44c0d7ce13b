"""
Decide how many messages a process of a pool is handed at once.

A batch is to take about 5 ms, so that handing it over costs little beside it, and messages that take
longer go one by one, so that none waits behind a slow one while another process is free. Pure: the caller
measures the time.
"""

import math

import attrs

SECONDS = 0.005
MOST = 256


@attrs.define(eq=False)
class Pace:
    """How long a message takes, from those that were handled; the last ones count most."""

    seconds: float | None = None

    def took(self, seconds: float, messages: int) -> None:
        """*messages* took so long, one after the other."""
        each = seconds / messages
        self.seconds = each if self.seconds is None else 0.75 * self.seconds + 0.25 * each

    @property
    def batch(self) -> int:
        """The most messages that are handed over together."""
        if self.seconds is None:
            return 1
        return max(1, min(MOST, int(SECONDS / max(self.seconds, 1e-6))))

    def share(self, waiting: int, in_hand: int, processes: int) -> int:
        """
        How many of the *waiting* messages a process gets now.

        Args:
            waiting: messages that no process has.
            in_hand: messages that this one has.
            processes: how many there are.
        """
        # Of quick ones a second batch lies ready, so that it never waits for the event loop.
        depth = self.batch if self.batch == 1 else 2 * self.batch
        return max(0, min(depth - in_hand, self.batch, math.ceil(waiting / processes)))
