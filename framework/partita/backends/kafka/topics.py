"""The sender of one topic: it finds the topic's partitions and gives each message its place."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from partita.backends.kafka.batching import Mark, Sending, Slot, Slots, fail_each
from partita.backends.kafka.calls import begin
from partita.backends.kafka.delivery import BatchSender
from partita.backends.kafka.producers import Producers
from partita.backends.kafka.settings import Deadlines
from partita.core.errors import TopicMissing
from partita.core.figures import Published


class TopicSender:
    """
    Takes the messages of one topic.

    Args:
        topic: its name.
        producers: the producer that runs.
        deadlines: how long to wait for it.
        batch_bytes: where batches are cut.
        limit_of: asks the broker for the largest batch of a topic, in bytes.
        published: what is counted.
    """

    def __init__(
        self,
        topic: str,
        producers: Producers,
        deadlines: Deadlines,
        batch_bytes: int,
        limit_of: Callable[[str], Awaitable[int]],
        published: Published,
    ) -> None:
        self._topic = topic
        self._producers = producers
        self._deadlines = deadlines
        self._slots = Slots(topic, batch_bytes, published)
        self._batches = BatchSender(
            self._slots, producers, deadlines, limit_of, lambda: self.fail_all(TopicMissing(topic))
        )
        self._unplaced: list[Sending] = []
        self._resolving: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def largest(self) -> int:
        """Bytes of the largest message that the topic is known to take."""
        return self._slots.largest

    def add(self, sending: Sending) -> None:
        """Queue a message. Raises SettingsError when its partition is known not to exist."""
        if not self._slots.slots:
            self._unplaced.append(sending)
            if self._resolving is None:
                self._resolving = begin(self._resolve())
            return
        slot = self._slots.choose(sending.partition, sending.key)
        slot.put(sending)
        if not slot.sending:
            slot.sending = True
            # Not at once: callers that are ready in the same turn of the loop share the batch.
            asyncio.get_running_loop().call_soon(self._work_on, slot)

    def _work_on(self, slot: Slot) -> None:
        task = begin(self._batches.work(slot))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def flush(self) -> None:
        """Wait until everything queued so far is acknowledged or has failed."""
        while self._resolving is not None:
            await asyncio.wait({self._resolving})
        loop = asyncio.get_running_loop()
        marks: set[asyncio.Future[None]] = set()
        for slot in self._slots.slots:
            if slot.sending:
                marks.add(reached := loop.create_future())
                slot.put(Mark(reached))
        if marks:
            await asyncio.wait(marks)

    def fail_all(self, error: Exception) -> None:
        """Give up what waits, and look the topic up again for the next message."""
        waiting, self._unplaced = self._unplaced, []
        fail_each([*waiting, *self._slots.forget()], error)

    async def _resolve(self) -> None:
        try:
            running = await self._producers.get()
            partitions = await running.partitions(self._topic, self._deadlines.request)
            if not partitions:
                raise TopicMissing(self._topic)
        except Exception as error:  # noqa: BLE001 - it is the callers', through their futures
            self.fail_all(error)
            return
        finally:
            self._resolving = None
        self._slots.grow(partitions)
        unplaced, self._unplaced = self._unplaced, []
        self._place(unplaced)

    def _place(self, sendings: Sequence[Sending]) -> None:
        for each in sendings:
            try:
                self.add(each)
            except Exception as error:  # noqa: BLE001 - it is the caller's, through its future
                each.fail(error)
