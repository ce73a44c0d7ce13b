"""
The poller: hands out what arrives, for as long as its member lives.

It belongs to a consumer. It polls whether or not anything is wanted, so that the broker keeps the member
while handlers are slow, and it is where the client's trouble shows: when it fails, the consumer fails
with it and is started again with a new client.
"""

import logging
from collections.abc import Mapping, Sequence

from partita.actors.partition import Partition
from partita.core.offset_map import OffsetMap
from partita.core.ports import Commit, Fetch, Subscription, TopicPartition

POLL_SECONDS = 0.25
GATED_SECONDS = 0.01
_log = logging.getLogger("partita.poller")


class Poller:
    """
    Feeds the partitions of one member.

    Args:
        subscription: where messages come from.
        partitions: the partitions that are owned now.

    Attributes:
        holding: whether it has messages in hand that their partitions have not been given yet.
    """

    def __init__(self, subscription: Subscription, partitions: Mapping[TopicPartition, Partition]) -> None:
        self._subscription = subscription
        self._partitions = partitions
        self.holding = False
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
            fetches = await self._subscription.poll(closed, self._patience(closed))
            self.holding = bool(fetches)
            await self._hand_out(fetches)
            self.holding = False

    async def _hand_out(self, fetches: Sequence[Fetch]) -> None:
        # Looked up before anything is waited for: what was read under one lease is not for the next.
        owners = [self._partitions.get(fetch.partition) for fetch in fetches]
        if any(owner is not None and not owner.resumed for owner in owners):
            await self._resume([each for each in self._partitions.values() if not each.resumed])
        for owner, fetch in zip(owners, fetches, strict=True):
            # What comes for a partition that is going away is read again by its next owner.
            if owner is not None and owner.lease.takes_messages:
                owner.feed(fetch)

    async def _resume(self, fresh: Sequence[Partition]) -> None:
        """Tell partitions, before their first message, what former owners have finished out of turn."""
        stored = await self._subscription.committed([each.name for each in fresh])
        for partition in fresh:
            commit = stored.get(partition.name, Commit(0))
            found = OffsetMap.decode(commit.offset, commit.metadata)
            if found.foreign:
                _log.warning(
                    "%s: the metadata of its commit is not ours and is not used: "
                    "what was finished above the commit is handled again",
                    partition.name,
                )
            partition.resume(found.finished)

    def _patience(self, closed: frozenset[TopicPartition]) -> float:
        """
        Seconds to wait in one poll. The client cannot be told in mid-poll that a gate has opened, so the
        polls are short at first while one is closed, and longer the longer that lasts.
        """
        self._wait = GATED_SECONDS if closed != self._closed else min(self._wait * 2, POLL_SECONDS)
        self._closed = closed
        return self._wait if closed else POLL_SECONDS
