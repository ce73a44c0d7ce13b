"""Sending the batches of one topic, and what a failure means for the producer and for each message."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from typing import Any

import attrs
from aiokafka.errors import (
    InvalidTimestampError,
    KafkaConnectionError,
    KafkaTimeoutError,
    LeaderNotAvailableError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
    ProducerClosed,
    RecordListTooLargeError,
    UnknownTopicOrPartitionError,
)

from partita.backends.kafka.batching import Batch, Flight, Slot
from partita.backends.kafka.calls import begin
from partita.backends.kafka.denials import say_what_is_needed
from partita.backends.kafka.partitioning import Slots
from partita.backends.kafka.producers import Producers, Running
from partita.backends.kafka.sendings import Budget
from partita.backends.kafka.settings import Deadlines
from partita.core.errors import MessageTooLarge, TopicMissing
from partita.core.figures import Published

_LOOK_AFTER = 3.0  # seconds without an answer before the topic is looked up again
_SEAL_AFTER = 1.0  # seconds after which a batch that waits takes no more messages
_SMALLEST_BATCH = 1_024
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
_INVALID_RECORD = 87  # newer than the client's table
_NO_PARTITION = (UnknownTopicOrPartitionError, NotLeaderForPartitionError, LeaderNotAvailableError)


@attrs.frozen(eq=False)
class Means:
    """
    What the senders of all topics share.

    Args:
        producers: the producer that runs.
        deadlines: how long to wait for it.
        budget: bytes that may be under way.
        limit_of: asks the broker for the largest batch of a topic, in bytes.
        watch: has `tick` called from here on, while something is under way.
        published: what is counted.
    """

    producers: Producers
    deadlines: Deadlines
    budget: Budget
    limit_of: Callable[[str], Awaitable[int]]
    watch: Callable[[], None]
    published: Published


class BatchSender:
    """
    Sends what waits at the partitions of one topic, a batch at a time for each.

    Args:
        slots: the partitions and their batches.
        means: what is shared with other topics.
        on_gone: called when the topic is found to exist no more.
    """

    def __init__(self, slots: Slots, means: Means, on_gone: Callable[[], None]) -> None:
        self._slots = slots
        self._topic = slots.topic
        self._means = means
        self._on_gone = on_gone
        self._busy: set[Slot] = set()
        self._leaving: list[Slot] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._time = asyncio.get_running_loop().time

    def start(self, slot: Slot) -> None:
        """
        Send what waits at a partition where nothing is under way.

        Its batch is closed in the next turn of the loop: callers that are ready in this one share it.
        """
        if not self._busy:
            self._means.watch()
        slot.busy = True
        self._busy.add(slot)
        self._leaving.append(slot)
        if len(self._leaving) == 1:
            self._begin(self._leave())

    def _begin(self, call: Coroutine[Any, Any, None]) -> None:
        task = begin(call)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _leave(self) -> None:
        """One task for the batches of all partitions, while giving one to the client takes no wait."""
        slots, self._leaving = self._leaving, []
        running = self._means.producers.ready()
        for slot in slots:
            if running is None or running.partitions_known(self._topic) <= slot.number:
                self._begin(self._send_when_ready(slot))
            else:
                await self._send(slot, running)

    async def _send_when_ready(self, slot: Slot) -> None:
        try:
            running = await self._means.producers.get()
        except Exception as error:  # noqa: BLE001 - it is the callers', through their futures
            self.fail(slot.clear(), error)
            self._go_on(slot)
        else:
            await self._send(slot, running)

    async def _send(self, slot: Slot, running: Running) -> None:
        batch = slot.take()
        if batch is None:
            self._go_on(slot)  # given up while the producer was started
            return
        self._slots.move_on(slot)
        slot.flight = flight = Flight(batch, running, self._time())
        batch.close()
        try:
            sent = await running.producer.send_batch(batch.builder, self._topic, partition=slot.number)
        except Exception as error:  # noqa: BLE001 - it is the callers', through their futures
            self._give_up(slot, flight, error)
        else:
            sent.add_done_callback(partial(self._answered, slot, flight))

    def _answered(self, slot: Slot, flight: Flight, sent: asyncio.Future[Any]) -> None:
        error = KafkaConnectionError("given up") if sent.cancelled() else sent.exception()
        if error is not None:
            self._give_up(slot, flight, error)
        elif slot.flight is flight and not flight.failing:
            self._stored(slot, flight, sent.result())
            self._go_on(slot)

    def _go_on(self, slot: Slot) -> None:
        slot.flight = None
        if slot.has_more:
            self.start(slot)
        else:
            slot.busy = False
            self._busy.discard(slot)

    def _stored(self, slot: Slot, flight: Flight, metadata: Any) -> None:
        # Without acknowledgements (acks=0) there is nothing to tell but the time.
        base = -1 if metadata is None else metadata.offset
        stamp = -1 if metadata is None or metadata.timestamp is None else metadata.timestamp
        flight.batch.store(self._topic, slot.number, base, stamp)
        self._means.budget.release(flight.batch.size)
        sent, messages = self._means.published.to(self._topic, slot.number), len(flight.batch.receipts)
        sent.count(messages, flight.batch.content)
        # As if all had come with the first of them.
        sent.waits.add((self._time() - flight.batch.opened) * messages, messages)
        self._slots.grow(flight.by.partitions_known(self._topic))

    def fail(self, batches: Iterable[Batch], error: BaseException) -> None:
        """Nothing more is done for these."""
        for batch in batches:
            batch.fail(error)
            self._means.budget.release(batch.size)

    def tick(self, now: float) -> bool:
        """Look after what takes long; returns whether anything is under way. *now* is loop time."""
        delivery = self._means.deadlines.delivery
        for slot in list(self._busy):
            late = slot.overdue(now - delivery)
            self.fail(late, KafkaTimeoutError("not sent: its turn did not come within the deadline"))
            slot.seal_older(now - _SEAL_AFTER)
            flight = slot.flight
            if flight is None:
                continue
            if now - flight.since >= delivery:
                text = (
                    f"no acknowledgement of {len(flight.batch.receipts)} messages for {self._topic!r} within"
                )
                unknown = f"{text} {delivery:g} s; whether they were stored is unknown"
                self._give_up(slot, flight, KafkaTimeoutError(unknown))
            elif now - flight.since >= _LOOK_AFTER and not flight.looked:
                flight.looked = True
                self._begin(self._look(slot, flight))
        return bool(self._busy)

    async def _look(self, slot: Slot, flight: Flight) -> None:
        if await self._is_missing():
            self._give_up(slot, flight, TopicMissing(self._topic))

    def gone(self, running: Running) -> None:
        """A producer has ended: what it had not acknowledged by now it never will."""
        for slot in list(self._busy):
            flight = slot.flight
            if flight is not None and flight.by is running:
                count = len(flight.batch.receipts)
                text = f"the producer was given up; whether {count} messages for {self._topic!r} were stored"
                self._give_up(slot, flight, KafkaConnectionError(f"{text} is unknown"))

    async def _is_missing(self) -> bool:
        try:
            running = await self._means.producers.get()
            return await running.partitions(self._topic, self._means.deadlines.request) == 0
        except Exception:  # noqa: BLE001 - no answer is no proof that it is
            return False

    def _give_up(self, slot: Slot, flight: Flight, failure: BaseException) -> None:
        """Nothing else of the partition is sent until it is clear what becomes of the batch."""
        if slot.flight is not flight or flight.failing:
            return  # its callers were told already that the outcome is unknown
        flight.failing = True
        self._begin(self._deal_with(slot, flight, failure))

    async def _deal_with(self, slot: Slot, flight: Flight, failure: BaseException) -> None:
        try:
            await self._failed(slot, flight, failure)
        except Exception as unexpected:  # noqa: BLE001 - it is the callers', through their futures
            self.fail([flight.batch], unexpected)
        self._go_on(slot)

    async def _failed(self, slot: Slot, flight: Flight, failure: BaseException) -> None:
        """
        After any failed batch the producer is replaced: the batch has spent a sequence number that the
        broker never saw, and every later one would be refused (aiokafka 0.14).
        """
        producers, batch = self._means.producers, flight.batch
        running = flight.by
        say_what_is_needed(failure, f"WRITE on the topic {self._topic!r}")
        if isinstance(failure, ProducerClosed):
            await asyncio.wait({running.gone})  # it was retired before it took the batch
            self._send_again(slot, batch, 1)
            return
        if isinstance(failure, KafkaTimeoutError | TopicMissing):
            # At once, and waited for: or the old producer might store this batch after the next one.
            await asyncio.wait({producers.retire(running, 0.0)})
        else:
            producers.retire(running)
        if isinstance(failure, _TOO_LARGE):
            await self._too_large(slot, batch, failure)
        elif _is_of_one(failure) and len(batch.receipts) > 1:
            self._send_again(slot, batch, len(batch.receipts))
        else:
            self.fail([batch], failure)
            gone = isinstance(failure, TopicMissing)
            if gone or (isinstance(failure, _NO_PARTITION) and await self._is_missing()):
                self._on_gone()

    def _send_again(self, slot: Slot, batch: Batch, parts: int) -> None:
        again = batch.divide(parts, self._means.producers.make_batch)
        self._means.budget.held += sum(each.size for each in again) - batch.size
        slot.put_back(again)

    async def _too_large(self, slot: Slot, batch: Batch, failure: BaseException) -> None:
        """The topic takes less than the client may send: smaller batches, or the one is refused."""
        if len(batch.receipts) > 1:
            self._slots.batch_bytes = max(_SMALLEST_BATCH, batch.size // 2)
            self._send_again(slot, batch, 2)
            return
        try:
            self._slots.learn(await self._means.limit_of(self._topic))
            # Not for ever: a dead letter that was refused is to pass when somebody has raised the limit.
            loop = asyncio.get_running_loop()
            loop.call_later(self._means.deadlines.limit, self._slots.unlearn)
        except Exception:  # noqa: BLE001 - without the limit the client's own error tells enough
            self.fail([batch], failure)
            return
        self.fail([batch], MessageTooLarge(self._topic, batch.size, self._slots.largest))


def _is_of_one(failure: BaseException) -> bool:
    """Whether the broker refuses a whole batch for one message of it, and certainly has stored nothing."""
    return isinstance(failure, InvalidTimestampError) or getattr(failure, "errno", None) == _INVALID_RECORD
