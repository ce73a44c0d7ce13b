"""
Judge whether a process is alive, ready and started, from what its actors know already.

No broker is asked here: a broker that is away must not get every process restarted.
"""

from collections.abc import Sequence

import attrs

from partita.core.health import Part

# A poll ends after a quarter of a second, come what may; what follows it waits for the broker for a while.
QUIET_SECONDS = 10.0
CONNECTING = "connects to the broker and joins its group"
WAITING = "has joined, and waits for its share of the partitions"
GIVEN_UP = "has given its partitions up, and waits for its share of them"
LOST = "has lost its partitions, and waits for its share of them"


@attrs.frozen
class Standing:
    """
    What whoever starts and stops processes wants to know of one. No broker is asked for it.

    Args:
        live: its supervisors live. That its event loop turns is shown by there being an answer.
        ready: every consumer polls and has its share of the partitions, and none is draining.
        started: every consumer has had its share of the partitions once.
    """

    live: Part
    ready: Part
    started: Part


@attrs.define(eq=False)
class Attendance:
    """
    How one member of a group stands with it, told as things happen. Times are in seconds, of one clock.

    Args:
        name: what it is called in a reason.

    Attributes:
        settled_once: whether the group has ever told this member its share.
    """

    name: str
    settled_once: bool = attrs.field(default=False, init=False)
    _lacks: str = attrs.field(default="", init=False)
    _since: float | None = attrs.field(default=None, init=False)

    def joins(self, now: float) -> None:
        """It begins to connect, for the first time or after a failure."""
        self._lack(CONNECTING, now)

    def joined(self) -> None:
        """It is connected. A share that came already counts."""
        if self._since is not None:
            self._lacks = WAITING

    def settled(self) -> None:
        """The group has told it its share, which may be none."""
        self._since, self.settled_once = None, True

    def gives_up(self, now: float) -> None:
        """It gives all its partitions up, and the group deals out anew."""
        self._lack(GIVEN_UP, now)

    def loses(self, now: float) -> None:
        """Partitions of it are somebody else's already, and it has not been told its share since."""
        self._lack(LOST, now)

    def fails(self, reason: str, now: float) -> None:
        """Its client is in trouble; it will connect again."""
        self._lack(reason, now)
        self._lacks = reason

    def _lack(self, reason: str, now: float) -> None:
        if self._since is None:
            self._lacks, self._since = reason, now

    def judge(self, partitions: int, polled_at: float | None, now: float) -> Part:
        """
        Whether it is ready.

        Args:
            partitions: how many it has.
            polled_at: when its last poll ended; None: it has not polled yet.
            now: the present.
        """
        if self._since is not None:
            return Part(healthy=False, reason=f"{self.name} {self._lacks}", since=now - self._since)
        quiet = now - polled_at if polled_at is not None else 0.0
        if quiet > QUIET_SECONDS:
            return Part(healthy=False, reason=f"{self.name} has not polled for {quiet:.0f} s", since=quiet)
        if not partitions:
            return Part(
                healthy=True,
                reason=f"{self.name} has no partition: its group has more members than partitions, "
                "or nothing waits to be read",
            )
        return Part(healthy=True, reason=f"{self.name} has {partitions} partition{'s'[: partitions > 1]}")


def judge_all(members: Sequence[Part], otherwise: str) -> Part:
    """All of *members* as one: red if one is, since the first that is; *otherwise* is why there is none."""
    if not members:
        return Part(healthy=False, reason=otherwise)
    red = [each for each in members if not each.healthy]
    told = "; ".join(dict.fromkeys(each.reason for each in red or members if each.reason))
    return Part(healthy=not red, reason=told, since=max((each.since for each in red), default=0.0))
