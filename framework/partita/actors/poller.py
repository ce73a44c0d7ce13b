"""
The poller: hands out what arrives, for as long as its member lives.

It belongs to a consumer. It polls whether or not anything is wanted, so that the broker keeps the member
while handlers are slow, and it is where the client's trouble shows: when it fails, the consumer fails
with it and is started again with a new client.
"""

from collections.abc import Mapping

from partita.actors.partition import Partition
from partita.core.ports import Subscription, TopicPartition

POLL_SECONDS = 0.25
GATED_SECONDS = 0.01


class Poller:
    """
    Feeds the partitions of one member.

    Args:
        subscription: where messages come from.
        partitions: the partitions that are owned now.
    """

    def __init__(self, subscription: Subscription, partitions: Mapping[TopicPartition, Partition]) -> None:
        self._subscription = subscription
        self._partitions = partitions
        self._fault: Exception | None = None
        self._closed: frozenset[TopicPartition] = frozenset()
        self._wait = POLL_SECONDS

    def fail(self, error: Exception) -> None:
        """Raise *error* at the next turn: the client's callback, where it arose, must not see it."""
        self._fault = error

    async def run(self) -> None:
        """
        Poll and feed.

        Raises:
            Exception: the client's own error, or what was given to `fail`.
        """
        while True:
            if self._fault is not None:
                raise self._fault
            closed = frozenset(at for at, each in self._partitions.items() if each.gate.closed)
            for fetch in await self._subscription.poll(closed, self._patience(closed)):
                owner = self._partitions.get(fetch.partition)
                # What comes for a partition that is going away is read again by its next owner.
                if owner is not None and owner.lease.takes_messages:
                    owner.feed(fetch)

    def _patience(self, closed: frozenset[TopicPartition]) -> float:
        """
        Seconds to wait in one poll. The client cannot be told in mid-poll that a gate has opened, so the
        polls are short at first while one is closed, and longer the longer that lasts.
        """
        self._wait = GATED_SECONDS if closed != self._closed else min(self._wait * 2, POLL_SECONDS)
        self._closed = closed
        return self._wait if closed else POLL_SECONDS
