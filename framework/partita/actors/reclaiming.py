"""
What a pump does first when it starts again: it takes up what the one before had in hand and had put nowhere.

A message is unfinished from the moment that its partition says so. If the pump crashed while it was seeing to
one whose handler had ended, the message may stand in no queue, and nobody would come back to it.
"""

from collections.abc import Callable, Iterator, Sequence

from partita.actors.batches import BatchedMessage
from partita.actors.messages import OpenMessage
from partita.actors.partition import Partition
from partita.actors.routes import BoundRoute


def reclaim(partition: Partition, serve: Callable[[BoundRoute], None]) -> None:
    """
    Put what is unfinished and stands nowhere where it is taken up again. No handler may be running.

    Args:
        partition: whose messages they are.
        serve: lets one message begin that waits for a call of its route to end.
    """
    astray = _astray(partition)
    batched = [each for each in astray if each.route.batch is not None and not each.burying]
    partition.due.extend(each for each in astray if each not in batched)
    if batched:
        partition.batches.take_back(batched)
    for route in partition.routes.kinds.values():
        for _ in range(len(route.waiting)):
            serve(route)
    if not partition.lease.takes_messages:
        # The handlers that a drain waits for have ended with the crew.
        partition.running = 0
        partition.drained.set()


def _astray(partition: Partition) -> Sequence[OpenMessage]:
    placed = {id(each) for each in _placed(partition)}
    return [each for each in partition.open.values() if id(each) not in placed]


def _placed(partition: Partition) -> Iterator[OpenMessage]:
    """The messages that somebody will come back to, those of a batch with its head."""
    heads = [each for each in partition.open.values() if each.timer is not None or each.calling]
    heads += [*partition.due, *partition.batches.pieces]
    heads += [each for route in partition.routes.kinds.values() for each in route.waiting]
    for head in heads:
        yield head
        if isinstance(head, BatchedMessage):
            yield from head.batch
    yield from partition.batches.gathered
    for lane in partition.lanes.values():
        yield from lane or ()
