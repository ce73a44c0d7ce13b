"""The sender of one topic: it finds the topic's partitions, then sends their queues batch by batch."""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiokafka.errors import (
    CorruptRecordException,
    InvalidTimestampError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    LeaderNotAvailableError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
    ProducerClosed,
    RecordListTooLargeError,
    UnknownError,
    UnknownTopicOrPartitionError,
)

from partita.backends.kafka import client
from partita.backends.kafka.batching import Mark, Sending, Slot, Slots
from partita.backends.kafka.producers import Producers, Running
from partita.backends.kafka.settings import Deadlines
from partita.core.errors import MessageTooLarge, TopicMissing
from partita.core.ports import Receipt

_METADATA_TRIES, _METADATA_PAUSE = 3, 0.2
_LOOK_AFTER = 3.0  # seconds without an answer before the topic is looked up again
_SMALLEST_BATCH = 1_024
# A broker refuses a whole batch for one message; codes newer than the client arrive as UnknownError.
_OF_ONE = (InvalidTimestampError, CorruptRecordException, UnknownError)
_NO_PARTITION = (UnknownTopicOrPartitionError, NotLeaderForPartitionError, LeaderNotAvailableError)


class TopicSender:
    """
    Sends the messages of one topic.

    Args:
        topic: its name.
        producers: the producer that runs.
        deadlines: how long to wait for it.
        batch_bytes: where batches are cut.
        limit_of: asks the broker for the largest batch of a topic, in bytes.

    Attributes:
        largest: bytes of the largest message that the topic is known to take.
    """

    def __init__(
        self,
        topic: str,
        producers: Producers,
        deadlines: Deadlines,
        batch_bytes: int,
        limit_of: Callable[[str], Awaitable[int]],
    ) -> None:
        self.largest = 2**31
        self._topic = topic
        self._producers = producers
        self._deadlines = deadlines
        self._batch_bytes = batch_bytes
        self._limit_of = limit_of
        self._slots = Slots(topic, batch_bytes)
        self._unplaced: list[Sending] = []
        self._resolving: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def add(self, sending: Sending) -> None:
        """Queue a message. Raises SettingsError when its partition is known not to exist."""
        if not self._slots.slots:
            self._unplaced.append(sending)
            self._resolve_soon()
            return
        slot = self._slots.choose(sending.partition, sending.key)
        slot.put(sending)
        self._work_on(slot)

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
        """Give up what waits."""
        waiting, self._unplaced = self._unplaced, []
        for slot in self._slots.slots:
            waiting += slot.clear()
        _fail(waiting, error)

    # Finding the partitions

    def _resolve_soon(self) -> None:
        if self._resolving is None:
            self._resolving = self._begin(self._resolve())

    async def _resolve(self) -> None:
        try:
            running = await self._producers.get()
            partitions = await self._partitions(running)
            if not partitions:
                raise TopicMissing(self._topic)
        except Exception as error:  # noqa: BLE001 - it is the callers', through their futures
            self.fail_all(error)
            return
        finally:
            self._resolving = None
        self._slots.grow(partitions)
        unplaced, self._unplaced = self._unplaced, []
        for item in unplaced:
            self._place(item)

    def _place(self, sending: Sending) -> None:
        try:
            self.add(sending)
        except Exception as error:  # noqa: BLE001 - it is the caller's, through its future
            sending.fail(error)

    async def _partitions(self, running: Running) -> int:
        """How many partitions the topic has; 0: there is no such topic."""
        for attempt in range(_METADATA_TRIES):
            if attempt:
                await asyncio.sleep(_METADATA_PAUSE)  # one just made may not be known everywhere yet
            # All topics are asked for: a request that names one makes it, if the broker permits (K27).
            task = self._begin(running.producer.client.fetch_all_metadata())
            if not await client.ended(task, self._deadlines.request):
                raise KafkaConnectionError("no broker told its topics in time")
            if found := task.result().partitions_for_topic(self._topic):
                return len(found)
        return 0

    # Sending

    def _work_on(self, slot: Slot) -> None:
        if not slot.sending:
            slot.sending = True
            # Not at once: callers that are ready in the same turn of the loop share the batch.
            asyncio.get_running_loop().call_soon(self._begin_work, slot)

    def _begin_work(self, slot: Slot) -> None:
        self._begin(self._work(slot))

    async def _work(self, slot: Slot) -> None:
        try:
            while slot.queue:
                await self._send_next(slot)
        finally:
            slot.sending = False

    async def _send_next(self, slot: Slot) -> None:
        try:
            running = await self._producers.get()
        except Exception as error:  # noqa: BLE001 - it is the callers', through their futures
            _fail(slot.clear(), error)
            return
        builder = running.producer.create_batch()
        now = asyncio.get_running_loop().time()
        taken, late = slot.cut(builder, self._batch_bytes, now)
        _fail(late, KafkaTimeoutError("not sent: its turn did not come within the delivery deadline"))
        self._slots.move_on(slot)
        if taken:
            builder.close()
            failure: BaseException | None
            try:
                failure = await self._deliver(running, slot, builder, taken)
            except Exception as unexpected:  # noqa: BLE001 - it is the callers', through their futures
                failure = unexpected
            if failure is not None:
                await self._failed(running, slot, taken, failure)

    async def _deliver(
        self, running: Running, slot: Slot, builder: Any, taken: Sequence[Sending]
    ) -> BaseException | None:
        """Send a batch and tell the callers where it is stored; returns why it is not."""
        task = self._begin(self._acknowledged(running, builder, slot.number))
        error = await self._wait(running, task, len(taken))
        if error is not None:
            return error
        metadata = task.result()
        base = -1 if metadata is None else metadata.offset
        stamp = -1 if metadata is None else metadata.timestamp
        for index, each in enumerate(taken):
            if not each.receipt.done():
                offset = base + index if base >= 0 else -1
                at = each.timestamp if stamp in (-1, None) else stamp
                each.receipt.set_result(Receipt(self._topic, slot.number, offset, at))
        known = running.producer.client.cluster.partitions_for_topic(self._topic)
        self._slots.grow(len(known or ()))
        return None

    async def _acknowledged(self, running: Running, builder: Any, partition: int) -> Any:
        return await (await running.producer.send_batch(builder, self._topic, partition=partition))

    async def _wait(self, running: Running, task: asyncio.Task[Any], messages: int) -> BaseException | None:
        """Wait for an acknowledgement; returns why there is none."""
        total = self._deadlines.delivery
        looks = (min(_LOOK_AFTER, total), max(0.0, total - _LOOK_AFTER))
        for look, seconds in enumerate(looks):
            await asyncio.wait({task, running.gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return KafkaConnectionError("given up") if task.cancelled() else task.exception()
            if running.gone.done():
                return KafkaConnectionError(
                    f"the producer was given up; whether {messages} messages for {self._topic!r} were "
                    "stored is unknown"
                )
            if look == 0 and await self._is_missing(running):
                return TopicMissing(self._topic)
        return KafkaTimeoutError(
            f"no acknowledgement of {messages} messages for {self._topic!r} within "
            f"{total:g} s; whether they were stored is unknown"
        )

    async def _is_missing(self, running: Running) -> bool:
        try:
            return await self._partitions(running) == 0
        except Exception:  # noqa: BLE001 - no answer is no proof; the wait goes on
            return False

    async def _failed(
        self, running: Running, slot: Slot, taken: Sequence[Sending], error: BaseException
    ) -> None:
        """
        After any failed batch the producer is replaced: the batch has spent a sequence number that the
        broker never saw, and every later one would be refused (K17, aiokafka 0.14).
        """
        if isinstance(error, ProducerClosed):
            slot.put_back(taken)  # the producer was retired before it took the batch
            await running.gone
            return
        unknown = isinstance(error, KafkaTimeoutError | TopicMissing)
        gone = self._producers.retire(running, *((0.0,) if unknown else ()))
        if unknown:
            await gone  # or the old producer might store this batch after the next one
        if isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
            await self._too_large(slot, taken, error)
            return
        if isinstance(error, _OF_ONE) and len(taken) > 1:
            slot.put_back(taken)
            slot.singly = len(taken)
            return
        _fail(taken, error)
        if isinstance(error, TopicMissing) or (isinstance(error, _NO_PARTITION) and await self._is_gone()):
            self.fail_all(TopicMissing(self._topic))
            self._slots = Slots(self._topic, self._batch_bytes)

    async def _is_gone(self) -> bool:
        try:
            return await self._partitions(await self._producers.get()) == 0
        except Exception:  # noqa: BLE001 - no answer is no proof
            return False

    async def _too_large(self, slot: Slot, taken: Sequence[Sending], error: BaseException) -> None:
        """The topic takes less than the client may send: smaller batches, or the one message is refused."""
        if len(taken) > 1:
            self._batch_bytes = max(_SMALLEST_BATCH, sum(each.size for each in taken) // 2)
            slot.put_back(taken)
            return
        try:
            self.largest = await self._limit_of(self._topic)
        except Exception:  # noqa: BLE001 - without the limit the client's own error tells enough
            _fail(taken, error)
            return
        _fail(taken, MessageTooLarge(self._topic, taken[0].size, self.largest))

    def _begin(self, call: Any) -> asyncio.Task[Any]:
        task = client.begin(call)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # looked at where it was waited for, or given up with its producer


def _fail(sendings: Sequence[Sending], error: BaseException) -> None:
    """Each caller gets the client's error; copies beyond the first, as tracebacks would pile up in one."""
    for index, each in enumerate(sendings):
        each.fail(copy.copy(error) if index and isinstance(error, KafkaError) else error)
