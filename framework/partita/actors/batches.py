"""
The batches of one partition: gathered, handed to their handler, and taken apart when it fails.

Each message of a batch is open by itself, so the ledger, the offset map, retries and dead letters are those
of any message. Unless the route says order="none", the batches of a partition follow each other: while a
message of one waits for its next attempt, so do those behind it.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from partita.actors.messages import NO_CALL, OpenMessage
from partita.actors.routes import BoundRoute
from partita.core.batches import Verdict, judge

if TYPE_CHECKING:
    from partita.actors.endings import Endings
    from partita.actors.partition import Partition


class BatchedMessage(OpenMessage):
    """
    A message on its way to a batch handler.

    Attributes:
        batch: at the head of a batch all its messages, else this one.
        named: what the handler has named as failed, while and after it runs.
        verdict: what it has failed with, to be seen to when its turn comes.
    """

    __slots__ = ("batch", "named", "verdict")

    def __init__(self, partition: "Partition", record: object, route: BoundRoute) -> None:
        super().__init__(partition, record, route, None)
        self.batch: Sequence[BatchedMessage] = (self,)
        self.named: Mapping[int, BaseException] = {}
        self.verdict: BaseException | None = None


class Batches:
    """
    What one partition has for a batch handler.

    Args:
        partition: whose messages they are.

    Attributes:
        gathered: messages that no handler was started for yet.
        pieces: the heads of batches that wait for those before them.
    """

    def __init__(self, partition: "Partition") -> None:
        self.gathered: list[BatchedMessage] = []
        self._partition = partition
        self.pieces: deque[BatchedMessage] = deque()
        self._started = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, record: object, route: BoundRoute) -> None:
        """Gather a message; hands the batch over when it has its size."""
        assert route.batch is not None  # it was asked before
        message = BatchedMessage(self._partition, record, route)
        self._partition.enter(message)
        self.gathered.append(message)
        if len(self.gathered) >= route.batch.limits.size:
            self.flush()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(route.batch.limits.within, self.flush)

    def flush(self) -> None:
        """Hand over what is gathered; it is at least one message."""
        self._forget_timer()
        head, batch = self.gathered[0], self.gathered
        self.gathered = []
        head.batch = batch
        if head.route.order == "none":
            self._partition.make_due(head)
            return
        self._partition.serial = True
        self.pieces.append(head)
        self._next()

    def hurry(self) -> None:
        """Hand over what is gathered if no more can be before some of it is handled."""
        if self.gathered and self._partition.choked:
            self.flush()

    def close(self) -> None:
        """Start nothing more: what is gathered stays unfinished."""
        self._forget_timer()

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def ended(self, head: OpenMessage, failure: BaseException | None, endings: "Endings") -> None:
        """The handler of a batch has ended: see to each of its messages."""
        assert isinstance(head, BatchedMessage)  # as every message of such a route
        batch, head.batch = head.batch, (head,)
        if failure is None and len(batch) == 1:
            failure = head.named.get(0)
        if len(batch) == 1 or not self._partition.lease.may_commit:
            endings.see_to(head, failure)
        elif failure is not None and endings.hold_back(head, failure):
            head.batch = batch
        else:
            self._take_apart(batch, judge(len(batch), head.named, failure))

    def _take_apart(self, batch: Sequence[BatchedMessage], verdict: Verdict) -> None:
        # While its messages are seen to, the batch counts as one that was started: nothing overtakes it.
        self._started += 1
        for index in verdict.done:
            self._partition.leave(batch[index])
        pieces = [[batch[index] for index in piece] for piece in verdict.again]
        for index, error in verdict.failed.items():
            batch[index].verdict = error
            pieces.append([batch[index]])
        pieces.sort(key=lambda piece: piece[0].offset)
        for piece in pieces:
            piece[0].batch = piece
        if batch[0].route.order == "none":
            for piece in pieces:
                self._partition.make_due(piece[0])
        else:
            self._started -= sum(map(len, pieces))
            self.pieces.extendleft(piece[0] for piece in reversed(pieces))
        self._started -= 1
        self._next()

    def take_back(self, messages: Sequence[OpenMessage]) -> None:
        """Messages of batches that nobody has in hand any more: each is handed over by itself."""
        pieces = list(self.pieces)
        for message in messages:
            assert isinstance(message, BatchedMessage)  # as every message of such a route
            message.batch = (message,)
            if message.route.order == "none":
                self._partition.make_due(message)
            else:
                pieces.append(message)
        self.pieces = deque(sorted(pieces, key=lambda head: head.offset))
        waiting = len(self.gathered) + sum(len(each.batch) for each in pieces)
        batched = sum(isinstance(each, BatchedMessage) for each in self._partition.open.values())
        self._started = batched - waiting
        self._next()

    def left(self) -> None:
        """A message is finished, or given up for good."""
        self._started -= 1
        self._next()

    def _next(self) -> None:
        """The next piece may begin when nothing of the one before is unfinished."""
        if self._started > 0:
            return
        self._started = 0
        if self.pieces:
            head = self.pieces.popleft()
            self._started = len(head.batch)
            self._partition.make_due(head)
        else:
            self._partition.serial = False


async def call_batch(head: OpenMessage, record: object) -> None:
    """Call the handler for a batch, or for what is left of one."""
    assert isinstance(head, BatchedMessage)  # as every message of such a route
    assert head.route.batch is not None
    error, head.verdict = head.verdict, None
    if error is not None:
        head.began = NO_CALL  # its handler is not called
        raise error
    named: dict[int, BaseException] = {}
    head.named = named
    await head.route.batch.call([each.record for each in head.batch], head.attempt, named)
