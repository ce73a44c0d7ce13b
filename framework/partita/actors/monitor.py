"""
The monitor: looks at the partitions of one member once a second, and so knows what each is doing.

It belongs to a consumer and holds nothing up: what it cannot find out it leaves out. What the state of a
partition is called is decided in `core.states`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import anyio

from partita.actors.messages import OpenMessage
from partita.actors.partition import Partition
from partita.actors.witness import Witness
from partita.core.doubts import Doubt
from partita.core.ports import TopicPartition
from partita.core.states import Facts, PartitionState, PartitionWatch, StateName

LOOK_SECONDS = 1.0
DOUBTED = {Doubt.NOT_OURS: StateName.LEASE_LOST, Doubt.NOT_FETCHING: StateName.NOT_FETCHING}


class Monitor:
    """
    What is known of the partitions of one member, over all its starts.

    Args:
        group: the group's name.
        partitions: those that it has now.
        witness: knows what the broker says of them.
    """

    def __init__(self, group: str, partitions: Mapping[TopicPartition, Partition], witness: Witness) -> None:
        self._group, self._witness = group, witness
        self._partitions = partitions
        self._watches: dict[Partition, PartitionWatch] = {}
        self._lost: dict[TopicPartition, tuple[str, float]] = {}

    def assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """These are ours again; of the others that were lost the broker says whose they are."""
        for at in partitions:
            self._lost.pop(at, None)

    def lost(self, partitions: Iterable[TopicPartition], reason: str) -> None:
        """These were taken away."""
        now = anyio.current_time()
        for at in partitions:
            self._lost.setdefault(at, (reason, now))

    async def run(self) -> None:
        """Look once a second, until cancelled."""
        while True:
            self.look()
            if not self._witness.proven and any(each.ahead for each in self._partitions.values()):
                self._witness.prove()
            await anyio.sleep(LOOK_SECONDS)

    def look(self) -> Sequence[PartitionState]:
        """The state of each partition, in their order."""
        now = anyio.current_time()
        owned = list(self._partitions.values())
        doubted = {
            at: (name, f"{doubt.value}, for {now - since:.0f} s")
            for doubt, name in DOUBTED.items()
            for at, since in self._witness.doubts(doubt)
        }
        self._watches = {each: self._watch(each, now) for each in owned}
        states = [*self._elsewhere(now)]
        for partition, watch in self._watches.items():
            watch.doubted = doubted.get(partition.name)
            facts = facts_of(partition, now, self._witness.unread(partition.name), self._witness.told_for)
            states.append(watch.look(facts, now))
        return sorted(states, key=lambda each: (each.topic, each.partition))

    def _watch(self, partition: Partition, now: float) -> PartitionWatch:
        return self._watches.get(partition) or PartitionWatch(partition.name, self._group, now)

    def _elsewhere(self, now: float) -> Iterator[PartitionState]:
        """The states of partitions that should be here and are not."""
        for at, (reason, since) in self._lost.items():
            if not self._witness.gone(at, since):
                yield PartitionState(self._group, *at, StateName.LEASE_LOST, reason, now - since)
        for at, since in self._witness.doubts(Doubt.NOT_HERE):
            if at not in self._lost:
                yield PartitionState(self._group, *at, StateName.NOT_HERE, "", now - since)


def facts_of(partition: Partition, now: float, unread: int | None = None, told_for: float = 0.0) -> Facts:
    """What a partition has in hand, and what waits for it at the broker, which last said so a while ago."""
    messages = partition.open.values()
    waits = [each.timer.when() for each in messages if each.timer is not None]
    process, busy = partition.gate.process, not partition.quiet
    return Facts(
        finished=partition.handled + partition.failed,
        calls=_calls(partition, messages),
        parked=next((told for told, _ in partition.parked), None),
        retry_in=max(0.0, min(waits) - now) if waits else None,
        held=_held(partition),
        limited=process.full or (process.closed and not busy),
        by_hand=partition.paused,
        draining=not partition.lease.takes_messages,
        full=partition.gate.full,
        waiting=sum(len(each) for each in partition.lanes.values() if each),
        open=len(partition.open),
        busy=busy,
        begun=partition.begun,
        unread=unread,
        told_for=told_for,
    )


def _calls(partition: Partition, messages: Iterable[OpenMessage]) -> Mapping[tuple[int, int], str]:
    """The handler of each call that is under way; of a batch that of its first message."""
    calls = {(each.offset, each.attempt): each.route.name for each in messages if each.calling}
    if partition.record is not None:
        # Nobody else wanted to read, so that its message is not open though its handler may wait.
        route = partition.routes.only
        name = route.name if route is not None else "a handler"
        calls[partition.offset_of(partition.record), 1] = name
    return calls


def _held(partition: Partition) -> str | None:
    reasons = (each.holds.reason(partition.name) for each in partition.routes.kinds.values())
    return next((each for each in reasons if each is not None), None)
