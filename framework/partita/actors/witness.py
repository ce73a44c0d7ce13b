"""
The witness: asks the broker how it sees this member, and does not let the two differ for long.

It belongs to a consumer. A client that has stopped working does not always say so: a task has ended, an
assignment was empty, a request was lost. What the broker says and what is here then differ, and stay so;
what that means is decided in `core.doubts`. The witness fails then, and with it the consumer, whose client is
built anew.
"""

import logging
from collections.abc import Callable, Mapping, Sequence

import anyio

from partita.actors.partition import Partition
from partita.core.doubts import Doubt, Doubts, Local
from partita.core.errors import TopicMissing
from partita.core.health import describe
from partita.core.ports import Subscription, TopicPartition
from partita.core.tally import Tally
from partita.core.views import BrokerView

ASK_SECONDS = 5.0
# Until a new client has proved that it works, and when something does not fit.
SOON_SECONDS = 1.0
# Told by then, acted on a little later.
TELL_SECONDS = 8.0
_log = logging.getLogger("partita.consumer")


class Witness:
    """
    What the broker says of one member, over all its starts.

    Args:
        group: the group's name, for logs.
        partitions: those that it has now.
        on_proof: called when a client has proved that it works.

    Attributes:
        proven: whether the client of now has: messages have come, or there are none to come.
        ever: whether any client has.
        rebuilds: how often a client was rebuilt because it was silent.
        deleted: offsets that the broker deleted before they were handled.
    """

    def __init__(
        self, group: str, partitions: Mapping[TopicPartition, Partition], on_proof: Callable[[], None]
    ) -> None:
        self._group, self._partitions, self._on_proof = group, partitions, on_proof
        self._doubts, self._tally = Doubts(), Tally()
        self._missing = 0
        self._now = 0.0
        self.proven = self.ever = False
        self.rebuilds = self.deleted = 0
        self._view: BrokerView | None = None

    async def run(self, subscription: Subscription) -> None:
        """
        Ask, every 5 s and sooner when something does not fit, until cancelled.

        Args:
            subscription: the member's present one.

        Raises:
            TimeoutError: the client does not do what it is there for; the text says what.
            TopicMissing: a topic of the membership is gone.
        """
        self._doubts.forget()
        self._missing, self.proven, self._view = 0, False, None
        while True:
            try:
                view = await subscription.view()
            # The broker is away, which health tells; nothing can be said of the member then.
            except Exception as error:  # noqa: BLE001
                told = describe(error)
                if self._tally.failed(told, anyio.current_time()):
                    _log.info("%s: the broker does not say how it sees this member: %s", self._group, told)
            else:
                self._heed(view)
            calm = self.proven and not (self._missing or self._doubts.since)
            await anyio.sleep(ASK_SECONDS if calm else SOON_SECONDS)

    def _heed(self, view: BrokerView) -> None:
        self._now, self._view = anyio.current_time(), view
        # One answer alone may be that of a broker that does not know yet.
        self._missing = self._missing + 1 if view.missing else 0
        if self._missing > 1:
            raise TopicMissing(min(view.missing))
        self._tell_gaps(view.begins)
        here = {at: _local(each) for at, each in self._partitions.items()}
        reason = self._doubts.weigh(view, here, self._now)
        if reason is not None:
            self.rebuilds += 1
            raise TimeoutError(f"the client is rebuilt: {reason}")
        if not self.proven and _proves(view, here):
            self.prove()

    def _tell_gaps(self, begins: Mapping[TopicPartition, int]) -> None:
        """Tell of messages that were deleted unread; offsets that never held one are no loss."""
        for at, partition in self._partitions.items():
            if partition.jump is None or at not in begins:
                continue
            (before, after), partition.jump = partition.jump, None
            gone = min(after, begins[at]) - before
            if gone > 0:
                self.deleted += gone
                _log.error(
                    "%s: %d offsets from %d on were deleted before they were handled; it goes on at %d",
                    at, gone, before, after,
                )  # fmt: skip

    def unread(self, at: TopicPartition) -> int | None:
        """Messages at the broker that have not come, when last asked; None: not known."""
        return None if self._view is None or self._view.unread is None else self._view.unread.get(at)

    @property
    def told_for(self) -> float:
        """Seconds since the broker has last said how it sees this member; 0 while it has not been asked."""
        return 0.0 if self._view is None else anyio.current_time() - self._now

    def gone(self, at: TopicPartition, since: float) -> bool:
        """Whether a partition that was lost is nobody's concern here any more: it is another's, or empty."""
        view = self._view
        if view is None or self._now <= since or not view.settled:
            return False
        return at not in view.owned and at not in view.orphans

    def prove(self) -> None:
        """The client works."""
        self.proven = self.ever = True
        self._on_proof()

    def doubts(self, *kinds: Doubt) -> Sequence[tuple[TopicPartition, float]]:
        """The partitions about which such a doubt has lasted long enough to be told, and since when."""
        now = anyio.current_time()
        return [
            (at, since)
            for (at, doubt), since in self._doubts.since.items()
            if doubt in kinds and now - since >= TELL_SECONDS
        ]


def _local(partition: Partition) -> Local:
    gate = partition.gate
    # What came before its assignment has begun waits with the poller.
    waits = partition.ahead > 0 and not partition.begun
    wants = partition.lease.takes_messages and not (gate.closed or gate.process.closed or waits)
    return Local(partition.ahead, wants)


def _proves(view: BrokerView, here: Mapping[TopicPartition, Local]) -> bool:
    """Whether the client has what it should: messages have come, or honestly none are there."""
    if any(each.arrived for each in here.values()):
        return True
    if here:
        return view.unread is not None and not any(view.unread.get(at) for at in here)
    return view.settled and not view.owned and not view.orphans
