"""What a partition of this process has in hand, told for the backlog of its group. Nothing is changed."""

from collections.abc import Mapping

from partita.actors.accounts import Account
from partita.actors.partition import Partition
from partita.core.backlog import ENOUGH
from partita.core.extents import Held
from partita.core.ports import TopicPartition


def held(partition: Partition, state: str = "") -> Held | None:
    """
    What is in hand of *partition*; None: nothing of it was read yet, and nobody said where it begins.

    Args:
        state: what it is doing.
    """
    position = partition.committable
    if position is None and partition.start is not None:
        position = partition.start.offset
    if position is None:
        return None
    return Held(
        position,
        partition.finished_above(),
        _oldest(partition),
        state,
        blocked=_blocked(partition),
        hot_key=_hot_key(partition),
        in_hand=_in_hand(partition),
    )


def held_by(member: Account) -> Mapping[TopicPartition, Held]:
    """What one member has in hand, by partition."""
    states = {(each.topic, each.partition): each.described for each in member.states}
    told = {at: held(each, states.get(at, "")) for at, each in member.partitions.items()}
    return {at: each for at, each in told.items() if each is not None}


def _oldest(partition: Partition) -> int | None:
    """The time of the first unfinished message, when that is not one among many that were not read yet."""
    opened = next(iter(partition.open.values()), None)
    record = partition.record if opened is None else opened.record
    return None if record is None else partition.routes.reader.timestamp(record)


def _in_hand(partition: Partition) -> int | None:
    unread = partition.unread.count
    return None if unread is None else unread + len(partition.open) + (partition.record is not None)


def _blocked(partition: Partition) -> bool:
    """Nothing runs, and nothing can begin before a timer has run down."""
    waiting = [each for each in partition.open.values() if not each.calling]
    if not waiting or len(waiting) < len(partition.open) or partition.due or partition.room:
        return False
    return any(each.timer is not None for each in waiting)


def _hot_key(partition: Partition) -> bool:
    count = len(partition.open)
    if count < ENOUGH:
        return False
    return any(lane is not None and len(lane) * 2 > count for lane in partition.lanes.values())
