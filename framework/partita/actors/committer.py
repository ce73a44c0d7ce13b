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
from partita.core.ports import Commit, Subscription, TopicPartition

SURELY_SECONDS = 5.0
AGAIN_SECONDS = 0.1
# Refusals during a rebalance, or while a coordinator moves, are over by then.
PATIENCE_SECONDS = 10.0
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
        self._refused_since: float | None = None

    def trouble(self) -> tuple[str, float] | None:
        """What the broker says to every commit, and since when, if it has said so for 10 s; else None."""
        since = self._refused_since
        if since is None or anyio.current_time() - since < PATIENCE_SECONDS:
            return None
        return f"offsets are not stored: {self._refused}", since

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

    async def store(self, partition: Partition) -> bool:
        """Commit now; whether all that a partition has to say is stored."""
        await self.commit()
        return self.stored(partition) is not None

    def stored(self, partition: Partition) -> Commit | None:
        """The commit of a partition, if all that it has finished is in it; else None."""
        commit = _commit_of(partition)
        return commit if commit == self._plan.stored(partition.name) else None

    def is_behind(self, partition: Partition) -> bool:
        """Whether it has finished messages that its next owner will handle again."""
        offset, stored = partition.committable, self._plan.stored(partition.name)
        if offset is None or not partition.handled + partition.failed:
            return False
        return stored is None or stored.offset < offset

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

    async def begin(
        self, starts: Mapping[TopicPartition, Commit]
    ) -> Mapping[TopicPartition, int | Exception]:
        """Store what new assignments start from; see `Subscription.begin`. A refusal is logged once."""
        async with self._lock:
            answers = await self._subscription.begin(starts) if starts else {}
            refused = {at: each for at, each in answers.items() if isinstance(each, Exception)}
            self._plan.sent(starts, refused)
            if starts:
                self._tell(refused)
            return answers

    async def commit(self) -> bool:
        """
        Commit now what has been finished; False when some of it was not stored.

        A refusal is logged once and goes with the next commit.
        """
        async with self._lock:
            self._finished = 0
            owned = list(self._partitions())
            due = self._plan.due({each.name: _commit_of(each) for each in owned if each.lease.may_commit})
            refused = await self._send(due) if due else {}
            self._plan.sent(due, refused)
            # A commit of nothing says nothing of what was refused before, unless nothing is owned any more.
            if due or not owned:
                self._tell(refused)
            return not refused

    async def _send(self, due: Mapping[TopicPartition, Commit]) -> Mapping[TopicPartition, Exception]:
        try:
            return await self._subscription.commit(due)
        # Whatever it says, nothing counts as stored; if the client is broken, the poller fails as well.
        except Exception as error:  # noqa: BLE001
            return dict.fromkeys(due, error)

    async def commit_surely(self) -> None:
        """Commit before partitions go away: again while it is refused, for up to 5 s."""
        with anyio.move_on_after(SURELY_SECONDS):
            while not await self.commit():  # noqa: ASYNC110 - only the broker knows when it takes them
                await anyio.sleep(AGAIN_SECONDS)

    def _tell(self, refused: Mapping[TopicPartition, Exception]) -> None:
        told = describe(next(iter(refused.values()))) if refused else ""
        if told and told != self._refused:
            names = ", ".join(sorted(str(each) for each in refused))
            _log.warning("offsets of %s not stored: %s; they go with the next commit", names, told)
        self._refused = told
        self._refused_since = (self._refused_since or anyio.current_time()) if told else None


def _commit_of(partition: Partition) -> Commit | None:
    """Encoded here, so once for each commit and never for a message."""
    offset = partition.committable
    if offset is None:
        return None
    leaving = not partition.lease.takes_messages
    said = partition.deaths.beside(offset, partition.finished_above(), leaving=leaving)
    return Commit(offset, said.encode(offset))
