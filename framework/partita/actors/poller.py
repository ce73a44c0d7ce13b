"""
The poller: hands out what arrives, for as long as its member lives.

It belongs to a consumer. It polls whether or not anything is wanted, so that the broker keeps the member
while handlers are slow, and it is where the client's trouble shows: when it fails, the consumer fails
with it and is started again with a new client.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import dropwhile

from partita.actors.care import CarefulRoutes
from partita.actors.committer import Committer
from partita.actors.partition import Partition
from partita.actors.warm import Unhandled
from partita.core.deaths import Deaths
from partita.core.offset_map import OffsetMap
from partita.core.ports import Commit, Fetch, Subscription, TopicPartition
from partita.core.process_flow import ProcessFlow, in_turn

POLL_SECONDS = 0.25
GATED_SECONDS = 0.01
# A group that is unsettled refuses for a while; what is refused for longer is the client's trouble.
BEGIN_SECONDS = 30.0
_log = logging.getLogger("partita.poller")


class Poller:
    """
    Feeds the partitions of one member.

    Args:
        subscription: where messages come from.
        partitions: the partitions that are owned now.
        committer: stores what a new assignment starts from.
        flow: what all partitions of the process have in hand.

    Attributes:
        holding: whether it has messages in hand that their partitions have not been given yet.
        polled_at: when its last poll ended, by the loop's clock in seconds; None before the first one.
    """

    def __init__(
        self,
        subscription: Subscription,
        partitions: Mapping[TopicPartition, Partition],
        committer: Committer,
        flow: ProcessFlow,
    ) -> None:
        self._subscription = subscription
        self._partitions = partitions
        self._committer, self._flow = committer, flow
        self._returned: dict[Partition, Unhandled] = {}
        self._early: list[tuple[Partition, Fetch]] = []
        self.holding = False
        self.polled_at: float | None = None
        self._refused_since: float | None = None
        self._fault: Exception | None = None
        self._closed: frozenset[TopicPartition] = frozenset()
        self._wait = POLL_SECONDS
        self._in_turn: TopicPartition | None = None

    def fail(self, error: Exception) -> None:
        """Raise *error* at the next turn: the client's callback, where it arose, must not see it."""
        self._fault = error

    def returned(self, partition: Partition, unhandled: Unhandled) -> None:
        """A partition has come back: if nobody else has had it, it goes on with what it had in hand."""
        self._returned[partition] = unhandled

    async def run(self) -> None:
        """
        Poll and feed.

        Raises:
            Exception: the client's own error, or what was given to `fail`; also when the beginning of an
                assignment is refused for 30 s.
        """
        while True:
            if self._fault is not None:
                raise self._fault
            if self._flow.looks_full:
                for each in self._partitions.values():
                    each.gate.report(len(each.open))
            for each in self._partitions.values():
                each.batches.hurry()  # others may have filled the process, or what came is out of reach
            closed = self._closed_now()
            fetches = await self._subscription.poll(closed, self._patience(closed))
            self.polled_at = asyncio.get_running_loop().time()
            self.holding = bool(fetches or self._early)
            await self._hand_out(fetches)
            self.holding = bool(self._early)

    def _closed_now(self) -> frozenset[TopicPartition]:
        """The partitions of which nothing is to be read now."""
        # What came for a partition that could not begin yet waits here, and more is not asked for.
        early = {owner.name for owner, _ in self._early}
        if not self._flow.closed:
            return frozenset(at for at, each in self._partitions.items() if each.gate.closed or at in early)
        busy = {at: at in early or each.gate.held > 0 for at, each in self._partitions.items()}
        self._in_turn = in_turn(busy, self._in_turn)
        return frozenset(at for at, holds in busy.items() if holds or at != self._in_turn)

    async def _hand_out(self, fetches: Sequence[Fetch]) -> None:
        # Looked up before anything is waited for: what was read under one lease is not for the next.
        owners = [self._partitions.get(fetch.partition) for fetch in fetches]
        found = zip(owners, fetches, strict=True)
        fresh = [(owner, fetch) for owner, fetch in found if owner is not None]
        waiting = [*self._early, *fresh]
        if self._returned or not all(owner.begun for owner, _ in waiting):
            await self._begin({owner.name: fetch for owner, fetch in reversed(waiting) if not owner.begun})
        waiting, self._early = [*self._early, *_unknown(fresh)], []
        for owner, fetch in waiting:
            # What comes for a partition that is going away is read again by its next owner.
            if owner.lease.takes_messages and owner.begun:
                owner.deaths.fed(fetch.end_offset)
                owner.feed(fetch)
            elif owner.lease.takes_messages:
                self._early.append((owner, fetch))

    async def _begin(self, firsts: Mapping[TopicPartition, Fetch]) -> None:
        """
        Tell partitions, before their first message, what former owners have finished out of turn, store what
        they start from, and learn their fences.

        Args:
            firsts: what came first for each of those that have not begun.
        """
        fresh = [each for each in self._partitions.values() if not each.begun and each.lease.takes_messages]
        unknown = [each for each in fresh if not each.resumed]
        stored = await self._subscription.committed([each.name for each in unknown]) if unknown else {}
        for partition in unknown:
            # The answer took its time: one that has gone meanwhile must not skip what its next lease reads.
            if partition.lease.takes_messages:
                self._resume(partition, stored.get(partition.name))
        for partition in fresh:
            if (first := firsts.get(partition.name)) is None:
                continue
            if partition.start is None:
                # Nobody has ever committed here: this is where the group begins.
                _log.info("%s: no commit is stored, it begins at %d", partition.name, first.start_offset)
                self._start(partition, first.start_offset, OffsetMap())
            elif partition.start.offset < first.start_offset:
                partition.jump = partition.start.offset, first.start_offset
        returned = self._returned.items()
        self._returned = {at: had for at, had in returned if at.lease.takes_messages and not at.resumed}
        # Nor must what was committed since by another owner be overwritten.
        ours = [each for each in fresh if each.lease.takes_messages]
        await self._store_starts({each.name: each for each in ours})

    async def _store_starts(self, fresh: Mapping[TopicPartition, Partition]) -> None:
        starts = {at: each.start for at, each in fresh.items() if each.start is not None}
        answers = await self._committer.begin(starts)
        for at, answer in answers.items():
            if not isinstance(answer, Exception):
                fresh[at].lease.fence, fresh[at].begun = answer, True
        errors = [(at, each) for at, each in answers.items() if isinstance(each, Exception)]
        refused = [error for at, error in errors if fresh[at].lease.takes_messages]
        now = asyncio.get_running_loop().time()
        self._refused_since = (self._refused_since or now) if refused else None
        if self._refused_since is not None and now - self._refused_since >= BEGIN_SECONDS:
            raise refused[0]

    def _resume(self, partition: Partition, commit: Commit | None) -> None:
        found = OffsetMap.decode(commit.offset, commit.metadata) if commit is not None else OffsetMap()
        if found.foreign:
            _log.warning(
                "%s: the metadata of its commit is not ours and is not used: "
                "what was finished above the commit is handled again",
                partition.name,
            )
        if commit is not None:
            self._start(partition, commit.offset, found)
        unhandled = self._returned.get(partition)
        if unhandled is None or unhandled.commit != commit:
            partition.resume(found.finished)
            return
        partition.resume(unhandled.finished)
        partition.ahead = unhandled.end_offset
        self._subscription.skip(partition.name, unhandled.end_offset)
        self._early += [(partition, fetch) for fetch in unhandled.fetches]
        _log.info("%s goes on with %d bytes that it had in hand", partition.name, unhandled.size_bytes)

    def _start(self, partition: Partition, offset: int, found: OffsetMap) -> None:
        """This is what an assignment starts from."""
        deaths = partition.deaths = Deaths.found(offset, found)
        partition.start = Commit(offset, deaths.first(found.finished).encode(offset))
        if deaths.suspected:
            partition.routes = CarefulRoutes(partition, self._committer.store)
            _log.warning(
                "%s: its owners have ended in the middle of it; its next messages, from offset %d on, are "
                "handled one at a time, to find the one that ends the process",
                partition.name, offset,
            )  # fmt: skip

    def _patience(self, closed: frozenset[TopicPartition]) -> float:
        """
        Seconds to wait in one poll. The client cannot be told in mid-poll that a gate has opened, so the
        polls are short at first while one is closed, and longer the longer that lasts.
        """
        self._wait = GATED_SECONDS if closed != self._closed else min(self._wait * 2, POLL_SECONDS)
        self._closed = closed
        if self._flow.full:
            return GATED_SECONDS
        return self._wait if closed else POLL_SECONDS


def _unknown(found: Iterable[tuple[Partition, Fetch]]) -> Iterator[tuple[Partition, Fetch]]:
    """
    Leave out what came although its partition has it in hand. What was under way when the client was told to
    skip may reach further than that: the client then goes back, and reads some of it again.
    """
    for owner, fetch in found:
        if fetch.end_offset <= owner.ahead:
            continue
        if owner.ahead and fetch.start_offset > owner.ahead:
            owner.jump = owner.ahead, fetch.start_offset
        if fetch.start_offset < owner.ahead:
            fetch.records = _from(owner.ahead, fetch.records, owner.routes.reader.offset)
        owner.ahead = fetch.end_offset
        yield owner, fetch


def _from(offset: int, records: Iterable[object], offset_of: Callable[[object], int]) -> Iterator[object]:
    return dropwhile(lambda record: offset_of(record) < offset, records)
