"""
What somebody may do to a partition from outside: pause it, let it go on, and try again or give up what is
parked in it.

Called from the loop that the partition lives on, between two steps of its pump.
"""

import logging

from partita.actors.messages import OpenMessage
from partita.actors.partition import Partition
from partita.core.health import Parked

_log = logging.getLogger("partita.interventions")


def pause(partition: Partition) -> None:
    """Start no more messages. Those in hand end, and attempts of those that failed go on."""
    if not partition.paused:
        partition.paused = True
        _log.warning("%s: paused by hand", partition.name)


def go_on(partition: Partition) -> None:
    """Start messages again."""
    if partition.paused:
        partition.paused = False
        partition.wake()
        _log.warning("%s: resumed by hand", partition.name)


def try_again(partition: Partition, offset: int | None = None) -> int:
    """Try what is parked again at once, or what is parked at *offset* alone; returns how many messages."""
    waiting = [each for each in partition.open.values() if _waits(each) and offset in (None, each.offset)]
    for message in waiting:
        _end_wait(message)
        partition.make_due(message)
    return len(waiting)


def give_up(partition: Partition, offset: int) -> Parked | None:
    """
    Give the message up that is parked at *offset*: it counts as failed, and commits go past it.

    Returns what it was parked for; None when no message is parked there, or it is being tried just now.
    """
    message = partition.open.get(offset)
    if message is None or message.parked is None or not _waits(message):
        return None
    told, _ = message.parked
    _end_wait(message)
    follow = partition.leave(message, failed=True)
    _log.error("given up by hand: %s", told)
    if follow is not None:
        partition.make_due(follow)
    partition.wake()
    return told


def _waits(message: OpenMessage) -> bool:
    return message.parked is not None and message.timer is not None


def _end_wait(message: OpenMessage) -> None:
    assert message.timer is not None  # it waits
    message.timer.cancel()
    message.timer = None
