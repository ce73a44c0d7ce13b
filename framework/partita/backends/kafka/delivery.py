"""Sending the batches of one topic, and what a failure means for the producer and for each message."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiokafka.errors import (
    CorruptRecordException,
    InvalidTimestampError,
    KafkaConnectionError,
    KafkaTimeoutError,
    LeaderNotAvailableError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
    ProducerClosed,
    RecordListTooLargeError,
    UnknownError,
    UnknownTopicOrPartitionError,
)

from partita.backends.kafka.batching import Sending, Slot, Slots, fail_each
from partita.backends.kafka.calls import begin
from partita.backends.kafka.producers import Producers, Running
from partita.backends.kafka.settings import Deadlines
from partita.core.errors import MessageTooLarge, TopicMissing
from partita.core.ports import Receipt

_LOOK_AFTER = 3.0  # seconds without an answer before the topic is looked up again
_SMALLEST_BATCH = 1_024
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
# A broker refuses a whole batch for one message; codes newer than the client arrive as UnknownError.
_OF_ONE = (InvalidTimestampError, CorruptRecordException, UnknownError)
_NO_PARTITION = (UnknownTopicOrPartitionError, NotLeaderForPartitionError, LeaderNotAvailableError)


class BatchSender:
    """
    Empties the queues of one topic, a batch at a time for each partition.

    Args:
        slots: the partitions and their queues.
        producers: the producer that runs.
        deadlines: how long to wait for it.
        limit_of: asks the broker for the largest batch of a topic, in bytes.
        on_gone: called when the topic is found to exist no more.
    """

    def __init__(
        self,
        slots: Slots,
        producers: Producers,
        deadlines: Deadlines,
        limit_of: Callable[[str], Awaitable[int]],
        on_gone: Callable[[], None],
    ) -> None:
        self._slots = slots
        self._topic = slots.topic
        self._producers = producers
        self._deadlines = deadlines
        self._limit_of = limit_of
        self._on_gone = on_gone

    async def work(self, slot: Slot) -> None:
        """Send what the queue of a partition holds, until it is empty. Raises nothing."""
        try:
            while slot.queue:
                await self._send_next(slot)
        finally:
            slot.sending = False

    async def _send_next(self, slot: Slot) -> None:
        try:
            running = await self._producers.get()
        except Exception as error:  # noqa: BLE001 - it is the callers', through their futures
            fail_each(slot.clear(), error)
            return
        builder = running.producer.create_batch()
        now = asyncio.get_running_loop().time()
        taken, late = slot.cut(builder, self._slots.batch_bytes, now)
        self._slots.move_on(slot)
        fail_each(late, KafkaTimeoutError("not sent: its turn did not come within the deadline"))
        if not taken:
            return
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
        task = begin(_acknowledged(running, builder, self._topic, slot.number))
        failure = await self._wait(running, task, len(taken))
        if failure is not None:
            task.add_done_callback(_looked_at)
            return failure
        # Without acknowledgements (acks=0) there is nothing to tell but the time.
        metadata = task.result()
        base = -1 if metadata is None else metadata.offset
        stamp = -1 if metadata is None or metadata.timestamp is None else metadata.timestamp
        for index, each in enumerate(taken):
            if not each.receipt.done():
                offset = base + index if base >= 0 else -1
                at = each.timestamp if stamp < 0 else stamp
                each.receipt.set_result(Receipt(self._topic, slot.number, offset, at))
        now = asyncio.get_running_loop().time()
        self._slots.stored(slot, taken, now + self._deadlines.delivery)
        known = running.producer.client.cluster.partitions_for_topic(self._topic)
        self._slots.grow(len(known or ()))
        return None

    async def _wait(self, running: Running, task: asyncio.Task[Any], messages: int) -> BaseException | None:
        """Wait for an acknowledgement; returns why there is none."""
        total = self._deadlines.delivery
        for seconds in (min(_LOOK_AFTER, total), max(0.0, total - _LOOK_AFTER)):
            await asyncio.wait({task, running.gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return KafkaConnectionError("given up") if task.cancelled() else task.exception()
            if running.gone.done():
                return KafkaConnectionError(
                    f"the producer was given up; whether {messages} messages for {self._topic!r} "
                    "were stored is unknown"
                )
            if seconds == _LOOK_AFTER and await self._is_missing():
                return TopicMissing(self._topic)
        return KafkaTimeoutError(
            f"no acknowledgement of {messages} messages for {self._topic!r} within {total:g} s; "
            "whether they were stored is unknown"
        )

    async def _is_missing(self) -> bool:
        try:
            running = await self._producers.get()
            return await running.partitions(self._topic, self._deadlines.request) == 0
        except Exception:  # noqa: BLE001 - no answer is no proof that it is
            return False

    async def _failed(
        self, running: Running, slot: Slot, taken: Sequence[Sending], failure: BaseException
    ) -> None:
        """
        After any failed batch the producer is replaced: the batch has spent a sequence number that the
        broker never saw, and every later one would be refused (aiokafka 0.14).
        """
        if isinstance(failure, ProducerClosed):
            slot.put_back(taken)  # the producer was retired before it took the batch
            await running.gone
            return
        if isinstance(failure, KafkaTimeoutError | TopicMissing):
            # At once, and waited for: or the old producer might store this batch after the next one.
            await self._producers.retire(running, 0.0)
        else:
            self._producers.retire(running)
        if isinstance(failure, _TOO_LARGE):
            await self._too_large(slot, taken, failure)
        elif isinstance(failure, _OF_ONE) and len(taken) > 1:
            slot.put_back(taken)
            slot.singly = len(taken)
        else:
            fail_each(taken, failure)
            gone = isinstance(failure, TopicMissing)
            if gone or (isinstance(failure, _NO_PARTITION) and await self._is_missing()):
                self._on_gone()

    async def _too_large(self, slot: Slot, taken: Sequence[Sending], failure: BaseException) -> None:
        """The topic takes less than the client may send: smaller batches, or the one is refused."""
        if len(taken) > 1:
            half = sum(each.size for each in taken) // 2
            self._slots.batch_bytes = max(_SMALLEST_BATCH, half)
            slot.put_back(taken)
            return
        try:
            self._slots.largest = await self._limit_of(self._topic)
            # Not for ever: a dead letter that was refused is to pass when somebody has raised the limit.
            asyncio.get_running_loop().call_later(self._deadlines.limit, self._slots.unlearn)
        except Exception:  # noqa: BLE001 - without the limit the client's own error tells enough
            fail_each(taken, failure)
            return
        fail_each(taken, MessageTooLarge(self._topic, taken[0].size, self._slots.largest))


async def _acknowledged(running: Running, builder: Any, topic: str, partition: int) -> Any:
    return await (await running.producer.send_batch(builder, topic, partition=partition))


def _looked_at(task: asyncio.Task[Any]) -> None:
    """The callers were told already that the outcome is unknown."""
    if not task.cancelled():
        task.exception()
