"""The sender of one topic: it finds the topic's partitions and gives each message its place in a batch."""

import asyncio
from collections.abc import Sequence

from partita.backends.kafka.batching import Batch, Slot
from partita.backends.kafka.calls import begin
from partita.backends.kafka.delivery import BatchSender, Means
from partita.backends.kafka.denials import say_what_is_needed
from partita.backends.kafka.partitioning import Slots
from partita.backends.kafka.sendings import Sending
from partita.core.errors import TopicMissing
from partita.core.ports import Receipt


class TopicSender:
    """
    Takes the messages of one topic.

    Args:
        slots: its partitions, none of which is known yet.
        means: what is shared with other topics.
    """

    def __init__(self, slots: Slots, means: Means) -> None:
        self._topic = slots.topic
        self._means = means
        self.slots = slots
        slots.available = self._available
        self._batches = BatchSender(slots, means, lambda: self.fail_all(TopicMissing(slots.topic)))
        self._unplaced: list[Sending] = []
        self._resolving: asyncio.Task[None] | None = None
        loop = asyncio.get_running_loop()
        self._time, self._future = loop.time, loop.create_future
        self.tick, self.gone = self._batches.tick, self._batches.gone

    def post(
        self, value: bytes, key: bytes | None, partition: int | None, size: int
    ) -> asyncio.Future[Receipt]:
        """
        Give a message its place without further checks; its size is counted here.

        Raises:
            SettingsError: its partition does not exist.
        """
        slots = self.slots
        slot = slots.sticky if key is None and partition is None else slots.choose(partition, key)
        assert slot is not None  # whoever calls has looked
        batch = slot.open
        if batch is None or batch.size + size > slots.batch_bytes:
            batch = self._opened(slot, size, key is None and partition is None)
        receipt: asyncio.Future[Receipt] = self._future()
        batch.stored.append(batch.append(timestamp=None, key=key, value=value))
        batch.receipts.append(receipt)
        batch.size += size
        self._means.budget.held += size
        return receipt

    def _opened(self, slot: Slot, size: int, anywhere: bool) -> Batch:
        """A batch with room, at *slot*, or where messages go that may go *anywhere*."""
        if slot.open is not None:
            slot.seal()
            self.slots.move_on(slot)
            if anywhere and self.slots.sticky is not None:
                slot = self.slots.sticky
                if slot.open is not None and slot.open.size + size <= self.slots.batch_bytes:
                    return slot.open
                slot.seal()
        slot.open = batch = Batch(self._means.producers.make_batch(), self._time())
        if slot.task is None:
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
            self._means.budget.release(sending.size)

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
            if (last := slot.last) is not None:
                marks.add(mark := loop.create_future())
                last.marks.append(mark)
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
