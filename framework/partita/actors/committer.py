"""
The committer: stores a member's offsets at the broker, one request for all partitions that moved.

It belongs to a consumer and dies with it; what is due is decided in `core.commits`. A refused commit
leaves its partitions dirty, so the next one carries them.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

import anyio

from partita.actors.partition import Partition
from partita.core.commits import CommitPlan, CommitPolicy
from partita.core.health import describe
from partita.core.ports import Subscription, TopicPartition

_log = logging.getLogger("partita.committer")


class Committer:
    """
    Commits what the partitions of one member have finished.

    Args:
        subscription: where to commit.
        partitions: the partitions that are owned now.
        policy: when.
    """

    def __init__(
        self,
        subscription: Subscription,
        partitions: Callable[[], Iterable[Partition]],
        policy: CommitPolicy,
    ) -> None:
        self._subscription = subscription
        self._partitions = partitions
        self._policy = policy
        self._plan = CommitPlan()
        self._lock = anyio.Lock()
        self._kick = anyio.Event()
        self._finished = 0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._refused = ""

    def finished(self, count: int) -> None:
        """*count* more messages are handled."""
        self._finished += count
        if self._finished >= self._policy.every:
            self._kick.set()

    def idle(self) -> None:
        """A partition has nothing left to do: commit soon, together with others that go idle now."""
        if self._idle_timer is None:
            loop = asyncio.get_running_loop()
            self._idle_timer = loop.call_later(self._policy.idle, self._idled)

    def _idled(self) -> None:
        self._idle_timer = None
        self._kick.set()

    def forget(self, partition: TopicPartition) -> None:
        """The partition is no longer this member's."""
        self._plan.forget(partition)

    async def run(self) -> None:
        """Commit whenever it is due, until cancelled."""
        try:
            while True:
                with anyio.move_on_after(self._policy.interval):
                    await self._kick.wait()
                self._kick = anyio.Event()
                await self.commit()
        finally:
            if self._idle_timer is not None:
                self._idle_timer.cancel()

    async def commit(self) -> None:
        """Commit now what has been finished. A refusal is logged once and tried again with the next."""
        async with self._lock:
            self._finished = 0
            due = self._plan.due(
                {each.name: each.committable for each in self._partitions() if each.lease.may_commit}
            )
            if not due:
                return
            refused = await self._subscription.commit(due)
            self._plan.sent(due, refused)
            self._tell(refused)

    def _tell(self, refused: Mapping[TopicPartition, Exception]) -> None:
        told = describe(next(iter(refused.values()))) if refused else ""
        if told and told != self._refused:
            names = ", ".join(sorted(str(each) for each in refused))
            _log.warning("offsets of %s not stored: %s; they go with the next commit", names, told)
        self._refused = told
