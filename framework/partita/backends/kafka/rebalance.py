"""What a member owns, and how the client's rebalance callbacks become the three partition events."""

import asyncio
import logging
from collections.abc import Callable, Collection

from aiokafka import ConsumerRebalanceListener
from aiokafka import TopicPartition as KafkaPartition

from partita.backends.kafka.calls import begin, ended, leave
from partita.backends.kafka.rivals import Rivals
from partita.core.ports import AssignmentListener, Membership, TopicPartition

# The client's callback ends a little before the broker would throw the member out.
_SHARE_OF_REBALANCE = 0.9
_log = logging.getLogger("partita.kafka")


class Matcher:
    """Tells the client which topics a membership reads; names and expressions match whole names."""

    def __init__(self, membership: Membership) -> None:
        self._topics, self._patterns = membership.topics, membership.patterns

    def match(self, topic: str) -> bool:
        """Whether the membership reads *topic*."""
        return topic in self._topics or any(each.fullmatch(topic) for each in self._patterns)


class Ownership:
    """
    The partitions of one member.

    Attributes:
        partitions: what may be committed; kept while a revocation drains.
        epoch: grows with each change, so that what was fetched before it can be told apart.
        generation: the group's, of the latest assignment.
    """

    def __init__(self) -> None:
        self.partitions: frozenset[TopicPartition] = frozenset()
        self.epoch = self.generation = 0
        self._stable = asyncio.Event()

    def take(self, partitions: frozenset[TopicPartition], generation: int) -> None:
        """These are ours from now on, and only these."""
        self.partitions, self.generation = partitions, generation
        self.epoch += 1
        self._stable.set()

    def unsettle(self) -> None:
        """What we have is going away; it can still be committed."""
        self.epoch += 1
        self._stable.clear()

    def drop(self) -> None:
        """Nothing is ours."""
        self.partitions = frozenset()
        self.epoch += 1
        self._stable.clear()

    async def settled(self, seconds: float, closed: asyncio.Event) -> None:
        """Wait for an assignment that is in force, up to *seconds* or until *closed* is set."""
        waits = {asyncio.ensure_future(event.wait()) for event in (self._stable, closed)}
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


class RebalanceForwarder(ConsumerRebalanceListener):
    """
    The client's listener: passes each event on and never raises into the client, which would log and
    drop an error, and end its coordinator on anything worse (aiokafka issue 335, 0.14).

    Args:
        owned: kept up to date here.
        listener: who is told.
        generation: the group's as this member knows it; below 1 when the broker does not know the member.
        rebalance_timeout: seconds after which the broker throws out a member that has not answered.
        rivals: told of each assignment and each loss.
    """

    def __init__(
        self,
        owned: Ownership,
        listener: AssignmentListener,
        generation: Callable[[], int],
        rebalance_timeout: float,
        rivals: Rivals,
    ) -> None:
        self._rivals = rivals
        self._owned = owned
        self._listener = listener
        self._generation = generation
        self._deadline = rebalance_timeout * _SHARE_OF_REBALANCE

    def on_partitions_assigned(self, assigned: Collection[KafkaPartition]) -> None:
        """The client's event; passed on as `assigned`."""
        partitions = frozenset(TopicPartition(*each) for each in assigned)
        self._rivals.assigned(asyncio.get_running_loop().time())
        self._owned.take(partitions, self._generation())
        self._tell(self._listener.assigned, partitions)

    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride] # it may be async
        self, revoked: Collection[KafkaPartition]
    ) -> None:
        """The client's event; passed on as `revoked`, or as `lost` when it is no member (aiokafka #344)."""
        partitions = self._owned.partitions
        if self._generation() < 1:
            self._owned.drop()
            self._rivals.lost(asyncio.get_running_loop().time())
            if partitions:
                self._tell(self._listener.lost, partitions)
            return
        self._owned.unsettle()
        if partitions:
            await self._drain(partitions)
        self._owned.drop()

    async def _drain(self, partitions: frozenset[TopicPartition]) -> None:
        task = begin(self._revoked(partitions))
        if not await ended(task, self._deadline):
            leave(task)
            _log.warning(
                "%d partitions were not given up within %g s; the group goes on without waiting",
                len(partitions), self._deadline,
            )  # fmt: skip

    async def _revoked(self, partitions: frozenset[TopicPartition]) -> None:
        try:
            await self._listener.revoked(partitions)
        except Exception:  # noqa: BLE001 - raised into the client it would only be dropped (aiokafka issue 335)
            _log.exception("giving up partitions failed")

    def _tell(
        self,
        event: Callable[[Collection[TopicPartition]], None],
        partitions: frozenset[TopicPartition],
    ) -> None:
        try:
            event(partitions)
        except Exception:  # noqa: BLE001 - raised into the client it would only be dropped (aiokafka issue 335)
            _log.exception("a change of the assignment could not be passed on")
