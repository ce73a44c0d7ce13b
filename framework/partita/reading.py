"""
One pass over what a topic holds: as a member of a group, from what the group committed to the end that
there was when the pass began. What arrives meanwhile belongs to the next pass.
"""

import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import Self

import anyio
import attrs

from partita.core.ports import Backend, Commit, Fetch, Membership, TopicPartition

POLL_SECONDS = 0.25
CLOSE_SECONDS = 15.0


@attrs.frozen(eq=False)
class Part:
    """
    Messages of one partition, in order.

    Args:
        partition: whose they are.
        records: the client's records.
        position: the offset to read next after them.
        lease: which assignment they were read under; see `Reading.holds`.
    """

    partition: TopicPartition
    records: Sequence[object]
    position: int
    lease: object


class Reading:
    """
    The pass. Used in `async with`, and read with `parts`.

    Args:
        backend: where the topic is.
        topic: its name.
        group: the group to join, for `commit`; None: one that nobody else has and that is forgotten.
        on_revoked: awaited before partitions go to another member of the group; must not raise.

    Attributes:
        left: messages that the pass still has before it, for each partition that has some.
    """

    def __init__(
        self,
        backend: Backend,
        topic: str,
        group: str | None = None,
        on_revoked: Callable[["Reading"], Awaitable[None]] | None = None,
    ) -> None:
        membership = Membership(
            group or f"partita-read-{uuid.uuid4().hex[:12]}",
            frozenset({topic}),
            start="earliest",
            name="partita-dead-letters",
            temporary=group is None,
        )
        self._subscription = backend.subscription(membership)
        self._offset = backend.reader.offset
        self._on_revoked = on_revoked
        self._leases: dict[TopicPartition, object] = {}
        self._positions: dict[TopicPartition, int] = {}
        self.left: dict[TopicPartition, int] = {}

    async def __aenter__(self) -> Self:
        try:
            await self._subscription.start(self)
            self.left = {at: count for at, count in (await self._subscription.unread()).items() if count > 0}
        except BaseException:
            # Also when cancelled: it may be a member of the group by now, and nobody else would leave.
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        # The group still counts this member and its sockets are open: leaving is finished even when this
        # task is cancelled, within a deadline.
        with anyio.move_on_after(CLOSE_SECONDS, shield=True):
            await self._subscription.close()

    def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """These partitions are ours from now on."""
        for at in partitions:
            self._leases[at] = object()

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """These go away in good order."""
        if self._on_revoked is not None:
            await self._on_revoked(self)
        self.lost(partitions)

    def lost(self, partitions: Collection[TopicPartition]) -> None:
        """These are somebody else's already."""
        for at in partitions:
            self._leases.pop(at, None)

    def holds(self, part: Part) -> bool:
        """Whether the partition of *part* has been ours ever since it was read."""
        return self._leases.get(part.partition) is part.lease

    async def parts(self) -> AsyncGenerator[Part, None]:
        """
        What there was at the beginning; after a rebalance what is above the committed offset once more.

        Raises:
            Exception: the client's own error.
        """
        while self.left:
            fetches = await self._subscription.poll(self._leases.keys() - self.left.keys(), POLL_SECONDS)
            # While one is handled, the partitions of the others may be given away and come back.
            leases = [self._leases.get(each.partition) for each in fetches]
            for fetch, lease in zip(fetches, leases, strict=True):
                at = fetch.partition
                if at in self.left and lease is not None and self._leases.get(at) is lease:
                    yield self._part(fetch, lease)
            if not fetches:
                await self._look()

    def _part(self, fetch: Fetch, lease: object) -> Part:
        at, records = fetch.partition, list(fetch.records)
        # After a rebalance a partition begins again at what is committed: only what is new is counted.
        fresh = [n for n, each in enumerate(records) if self._offset(each) >= self._positions.get(at, 0)]
        left = self.left[at]
        if len(fresh) > left:
            records = records[: fresh[left - 1] + 1]
        position = fetch.end_offset if len(fresh) <= left else self._offset(records[-1]) + 1
        self._positions[at] = max(position, self._positions.get(at, 0))
        self.left[at] -= min(left, len(fresh))
        if not self.left[at]:
            del self.left[at]
        return Part(at, records, position, lease)

    async def _look(self) -> None:
        """Nothing comes: give up what was counted and is no message, or has another reader now."""
        unread = await self._subscription.unread()
        self.left = {at: count for at, count in self.left.items() if unread.get(at)}

    async def commit(self, commits: Mapping[TopicPartition, Commit]) -> Mapping[TopicPartition, Exception]:
        """Store commits of partitions that are ours; returns the client's error for each that was not."""
        ours = {at: each for at, each in commits.items() if at in self._leases}
        return await self._subscription.commit(ours) if ours else {}

    async def committed(self, at: TopicPartition) -> Commit | None:
        """What the group has stored for a partition. Raises the client's own error."""
        return (await self._subscription.committed([at])).get(at)
