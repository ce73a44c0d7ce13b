"""The sender of one topic: it finds the topic's partitions and gives each message its place in a batch."""

import asyncio
from collections.abc import Callable, Sequence

from partita.backends.kafka.batching import Batch, Slot
from partita.backends.kafka.calls import begin
from partita.backends.kafka.delivery import BatchSender, Means
from partita.backends.kafka.denials import say_what_is_needed
from partita.backends.kafka.partitioning import Slots
from partita.backends.kafka.sendings import FRAME, Sending
from partita.core.errors import TopicMissing
from partita.core.ports import Headers, Outgoing, Receipt

Queue = Callable[[str, Outgoing], asyncio.Future[Receipt]]
_NO_HEADERS: list[tuple[str, bytes]] = []


class TopicSender:
    """
    Takes the messages of one topic.

    Args:
        slots: its partitions, none of which is known yet.
        means: what is shared with other topics.
        queue: takes a message that needs more than its place.
    """

    def __init__(self, slots: Slots, means: Means, queue: Queue) -> None:
        self._topic = slots.topic
        self._means, self._budget = means, means.budget
        self._queue = queue
        self.slots = slots
        slots.available = self._available
        self._batches = BatchSender(slots, means, lambda: self.fail_all(TopicMissing(slots.topic)))
        self._unplaced: list[Sending] = []
        self._resolving: asyncio.Task[None] | None = None
        loop = asyncio.get_running_loop()
        self._time = loop.time
        self._future: Callable[[], asyncio.Future[Receipt]] = loop.create_future
        self.tick, self.gone = self._batches.tick, self._batches.gone

    @property
    def oldest(self) -> float | None:
        """Loop time in seconds of the oldest message that is not acknowledged; None: all are."""
        times = [batch.opened for slot in self.slots.slots for batch in slot.waiting]
        if self._unplaced:
            times.append(self._unplaced[0].due - self._means.deadlines.delivery)
        return min(times, default=None)

    def post(
        self,
        value: bytes | None,
        key: bytes | None,
        headers: Headers,
        partition: int | None,
        timestamp: int | None,
    ) -> asyncio.Future[Receipt]:
        """
        Publish a message; a full buffer makes it wait for its turn. Await the result at once.

        Raises:
            SettingsError: its partition does not exist.
        """
        # Most messages have no headers and no timestamp, and there is room: they are given their place
        # here without one more object. Everything else goes the long way, where it is checked.
        slots, budget = self.slots, self._budget
        if type(value) is bytes and timestamp is None and not headers and (key is None or type(key) is bytes):
            size = FRAME + len(value) if key is None else FRAME + len(value) + len(key)
            if size <= slots.plain and budget.held + size <= budget.open_to:
                anywhere = key is None and partition is None
                slot = slots.sticky if anywhere else slots.choose(partition, key)
                batch = slot.open
                if batch is None or batch.size + size > slots.batch_bytes:
                    batch = self._opened(slot, size, anywhere)
                receipt = self._future()
                batch.stored.append(batch.append(len(batch.receipts), None, key, value, _NO_HEADERS))
                batch.receipts.append(receipt)
                batch.size += size
                budget.held += size
                return receipt
        message = Outgoing(value, key=key, headers=headers, partition=partition, timestamp=timestamp)
        return self._queue(slots.topic, message)

    def _opened(self, slot: Slot, size: int, anywhere: bool) -> Batch:
        """A batch with room, at *slot*, or where messages go that may go *anywhere*."""
        if slot.open is not None:
            slot.seal()
            self.slots.move_on(slot)
            if anywhere:
                slot = self.slots.sticky
                if slot.open is not None and slot.open.size + size <= self.slots.batch_bytes:
                    return slot.open
                slot.seal()
        slot.open = batch = Batch(self._means.producers.make_batch(), self._time())
        if not slot.busy:
            self._batches.start(slot)
        return batch

    def add(self, sending: Sending) -> None:
        """Give a message its place, now or when the topic is known; its size is counted already."""
        if not self.slots.slots:
            self._unplaced.append(sending)
            if self._resolving is None:
                self._resolving = begin(self._resolve())
            return
        try:
            slot = self.slots.choose(sending.partition, sending.key)
        except Exception as error:  # noqa: BLE001 - it is the caller's, through its future
            self._refuse([sending], error)
            return
        batch = slot.open
        if batch is None or batch.size + sending.size > self.slots.batch_bytes:
            batch = self._opened(slot, sending.size, sending.key is None and sending.partition is None)
        batch.add(sending)

    def _refuse(self, sendings: Sequence[Sending], error: Exception) -> None:
        for sending in sendings:
            sending.fail(error)
            self._budget.release(sending.size)

    def _available(self) -> Sequence[int]:
        running = self._means.producers.ready()
        known = running and running.producer.client.cluster.available_partitions_for_topic(self._topic)
        return sorted(known or ())

    async def flush(self) -> None:
        """Wait until everything that has its place so far is acknowledged or has failed."""
        while self._resolving is not None:
            await asyncio.wait({self._resolving})
        loop = asyncio.get_running_loop()
        marks: set[asyncio.Future[None]] = set()
        for slot in self.slots.slots:
            if waiting := slot.waiting:
                marks.add(mark := loop.create_future())
                waiting[-1].marks.append(mark)
        if marks:
            await asyncio.wait(marks)

    def fail_all(self, error: Exception) -> None:
        """Give up what waits, and look the topic up again for the next message."""
        waiting, self._unplaced = self._unplaced, []
        self._refuse(waiting, error)
        self._batches.fail(self.slots.forget(), error)

    async def _resolve(self) -> None:
        try:
            running = await self._means.producers.get()
            partitions = await running.partitions(self._topic, self._means.deadlines.request)
            if not partitions:
                raise TopicMissing(self._topic)
        except Exception as error:  # noqa: BLE001 - it is the callers', through their futures
            say_what_is_needed(error, f"WRITE on the topic {self._topic!r}")
            self.fail_all(error)
            return
        finally:
            self._resolving = None
        self.slots.grow(partitions)
        unplaced, self._unplaced = self._unplaced, []
        for sending in unplaced:
            self.add(sending)
