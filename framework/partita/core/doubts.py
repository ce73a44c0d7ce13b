"""
Decide from what the broker says and what is known here whether a member is alive but silent.

A doubt is a difference that passes by itself in good times: messages that wait at the broker though nothing
comes, a partition that only one side knows of. One that stays means that the client is broken in a way
that it does not tell, and it is rebuilt. Pure: the caller asks, and passes the time in.
"""

from collections.abc import Iterator, Mapping
from enum import Enum

import attrs

from partita.core.ports import TopicPartition
from partita.core.views import BrokerView

# Of three questions in a row, five seconds apart, each finds the same.
DOUBT_SECONDS = 15.0
# What a rebuilt client does not mend is left alone for longer and longer.
MOST_PATIENCE = 300.0
FORGET_SECONDS = 600.0


class Doubt(Enum):
    """What does not fit together."""

    NOT_FETCHING = "messages wait at the broker and none comes"
    NOT_HERE = "the broker says that it is this member's, and this member knows nothing of it"
    NOT_OURS = "the broker does not count it as this member's"
    NOBODYS = "the broker says that no member of the group has it"


@attrs.frozen
class Local:
    """
    A partition as this member sees it.

    Args:
        arrived: the offset after the last message that has come; 0: none has.
        wants: whether it would take more.
    """

    arrived: int
    wants: bool


Key = tuple[TopicPartition, Doubt]


@attrs.define(eq=False)
class Doubts:
    """
    The doubts about one member, over all its starts.

    Attributes:
        since: when each began.
        rebuilds: how often its client was rebuilt for that, lately.
    """

    since: dict[Key, float] = attrs.field(factory=dict, init=False)
    rebuilds: int = attrs.field(default=0, init=False)
    _rebuilt_at: float = attrs.field(default=float("-inf"), init=False)
    _arrived: Mapping[TopicPartition, int] = attrs.field(factory=dict, init=False)

    @property
    def patience(self) -> float:
        """Seconds that a doubt may last."""
        return min(DOUBT_SECONDS * 2.0 ** min(self.rebuilds, 10), MOST_PATIENCE)

    def weigh(self, view: BrokerView, here: Mapping[TopicPartition, Local], now: float) -> str | None:
        """
        Look at both sides; returns why the client is to be rebuilt, if it is.

        Args:
            view: what the broker says.
            here: what this member has.
            now: seconds on a clock that never goes back.
        """
        found = set(self._found(view, here))
        self.since = {key: self.since.get(key, now) for key in found}
        self._arrived = {at: each.arrived for at, each in here.items()}
        if not found and now - self._rebuilt_at > FORGET_SECONDS:
            self.rebuilds = 0
        lasting = [key for key, since in self.since.items() if now - since >= self.patience]
        if not lasting:
            return None
        (at, doubt), more = min(lasting, key=lambda key: self.since[key]), len(lasting) - 1
        seconds = now - self.since[at, doubt]
        self.since.clear()
        self.rebuilds, self._rebuilt_at = self.rebuilds + 1, now
        others = f", and {more} more" if more else ""
        return f"{at}{others}: {doubt.value}, for {seconds:.0f} s"

    def _found(self, view: BrokerView, here: Mapping[TopicPartition, Local]) -> Iterator[Key]:
        for at, local in here.items():
            waits = view.unread is None or view.unread.get(at, 0) > 0
            if waits and local.wants and local.arrived == self._arrived.get(at):
                yield at, Doubt.NOT_FETCHING
        if not view.settled:
            return
        yield from ((at, Doubt.NOT_HERE) for at in view.owned - here.keys())
        yield from ((at, Doubt.NOT_OURS) for at in here.keys() - view.owned)
        yield from ((at, Doubt.NOBODYS) for at in view.orphans - here.keys())

    def forget(self) -> None:
        """The member starts anew: what was seen of it before says nothing."""
        self.since.clear()
        self._arrived = {}
