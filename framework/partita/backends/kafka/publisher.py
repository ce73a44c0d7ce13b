"""
Publishing to Kafka: one open batch for each partition, and one of it on its way at a time.

The client's own accumulator wakes each waiter for each batch, and lets waiters overtake each other
(aiokafka issue 528, 0.14). Here messages are put into the client's batches as they come, and these are given
to it whole. With one batch of a partition on its way the next one fills meanwhile, nothing lingers, and a
producer can be replaced between two of them without a change of order.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiokafka.errors import KafkaTimeoutError

from partita.backends.kafka.calls import begin, ended, leave
from partita.backends.kafka.delivery import Means
from partita.backends.kafka.partitioning import Slots, own_partitioner
from partita.backends.kafka.producers import Producers, Running
from partita.backends.kafka.sendings import Budget, Sending, prepare
from partita.backends.kafka.settings import KafkaSetup
from partita.backends.kafka.topics import TopicSender
from partita.core.errors import Closed
from partita.core.figures import Published
from partita.core.ports import Outgoing, Post, Receipt

_MAX_REQUEST = 1_048_576  # bytes; the client's default of max_request_size
_TICK = 0.25  # seconds


class KafkaPublisher:
    """
    Sends messages with one producer, started on first use.

    Args:
        settings: servers, options and deadlines.
        limit_of: asks the broker for the largest batch that a topic takes, in bytes.

    Attributes:
        published: what is counted.
        posts: for each topic that was published to: publishes without an object for each message.
    """

    def __init__(self, settings: KafkaSetup, limit_of: Callable[[str], Awaitable[int]]) -> None:
        options = settings.producer()
        self._deadlines = settings.deadlines
        self._budget = Budget(settings.buffer_bytes)
        self._producers = Producers(settings, self._gone)
        self.published = Published()
        self._means = Means(
            self._producers, self._deadlines, self._budget, limit_of, self._watch, self.published
        )
        self._topics: dict[str, TopicSender] = {}
        self.posts: dict[str, Post] = {}
        self._partitioner = own_partitioner(options.get("partitioner"))
        self._largest = int(options.get("max_request_size", _MAX_REQUEST))
        self._batch_bytes = int(options["max_batch_size"])
        self._ticking: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def running_client(self) -> object:
        """The client's own object, if there is one now."""
        return self._producers.running_client

    @property
    def pending_bytes(self) -> int:
        """Bytes of messages that are not acknowledged yet, an upper bound."""
        return self._budget.held

    @property
    def pending_since(self) -> float | None:
        """Loop time in seconds of the oldest that is not acknowledged yet; None: everything is."""
        return min(
            [since for each in self._topics.values() if (since := each.oldest) is not None], default=None
        )

    async def publish(self, topic: str, message: Outgoing) -> Receipt:
        """
        Send and wait for the acknowledgement. A cancelled wait does not take the message back, unless it
        still waited for room: while `buffer_bytes` are under way, messages wait in the order they came.

        Raises:
            TopicMissing: the topic does not exist; nothing was made in its place.
            MessageTooLarge: the message is above `max_request_size`, or above what the topic takes.
            SettingsError: the topic has no such partition.
            Closed: the publisher is closed.
            KafkaTimeoutError: not acknowledged within the deadline; the text says what is known.
            Exception: the client's own error.
        """
        return await self._queue(topic, message, True)

    def queue(self, topic: str, message: Outgoing) -> asyncio.Future[Receipt]:
        """What `publish` does; await the result at once."""
        return self._queue(topic, message, True)

    def send(self, topic: str, message: Outgoing) -> asyncio.Future[Receipt]:
        """
        Send without waiting; errors of `publish` arrive when the result is awaited.

        Raises:
            asyncio.QueueFull: `buffer_bytes` are under way; nothing was sent.
        """
        return self._queue(topic, message, False)

    def _queue(self, topic: str, message: Outgoing, may_wait: bool) -> asyncio.Future[Receipt]:
        loop = asyncio.get_running_loop()
        receipt: asyncio.Future[Receipt] = loop.create_future()
        try:
            if self._closed:
                raise Closed("the publisher is closed")
            sender = self._topics.get(topic) or self._sender(topic)
            due = loop.time() + self._deadlines.delivery
            sending = prepare(topic, message, sender.slots.largest, due, receipt)
        except Exception as error:  # noqa: BLE001 - it is the caller's, through the future
            receipt.set_exception(error)
            return receipt
        self._place(sender, sending, may_wait)
        return receipt

    def _place(self, sender: TopicSender, sending: Sending, may_wait: bool) -> None:
        budget = self._budget
        if budget.has_room(sending.size):
            budget.held += sending.size
            sender.add(sending)
        elif may_wait:
            budget.wait(sending, sender.add)
            self._watch()
        else:
            raise asyncio.QueueFull(
                f"{budget.held} bytes are not acknowledged yet, and the limit is {budget.limit}: await the "
                "deliveries or flush() first, or use publish(), which waits for room"
            )

    def _sender(self, topic: str) -> TopicSender:
        slots = Slots(topic, self._batch_bytes, self._largest, self._partitioner)
        sender = TopicSender(slots, self._means, self.queue)
        self._topics[topic] = sender
        self.posts[topic] = sender.post
        return sender

    def _gone(self, running: Running) -> None:
        for sender in self._topics.values():
            sender.gone(running)

    def _watch(self) -> None:
        if self._ticking is None:
            loop = asyncio.get_running_loop()
            self._ticking = loop.call_later(min(_TICK, self._deadlines.delivery / 4), self._tick)

    def _tick(self) -> None:
        self._ticking = None
        now = asyncio.get_running_loop().time()
        text = "not sent: there was no room for it within the deadline"
        self._budget.expire(now, lambda: KafkaTimeoutError(text))
        busy = [sender.tick(now) for sender in list(self._topics.values())]
        if any(busy) or self._budget.waiting:
            self._watch()

    async def flush(self) -> None:
        """
        Wait until everything sent so far is acknowledged or has failed.

        Takes at most three times the delivery deadline: each message is given up by then.
        """
        if waiting := [sending.receipt for sending, _ in self._budget.waiting]:
            await asyncio.wait(waiting)
        await asyncio.gather(*[sender.flush() for sender in self._topics.values()])

    async def close(self) -> None:
        """Flush for up to the close deadline, then end the producer; the rest fails. Does not raise."""
        if self._closed:
            return
        self._closed = True
        self.posts.clear()
        flush = begin(self.flush())
        if not await ended(flush, self._deadlines.close):
            leave(flush)
        await self._producers.close(1.0)
        self._budget.clear(unsent := Closed("the publisher was closed before this message was sent"))
        for sender in self._topics.values():
            sender.fail_all(unsent)
        if self._ticking is not None:
            self._ticking.cancel()
