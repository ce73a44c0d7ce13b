"""
Publishing to Kafka: one queue for each partition, and one batch of it on its way at a time.

The client's own accumulator wakes each waiter for each batch, and lets waiters overtake each other
(aiokafka issue 528, 0.14). Here batches are cut by us and given to the client whole. With one batch
of a partition on its way, a producer can be replaced between two of them without a change of order.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from partita.backends.kafka.batching import prepare
from partita.backends.kafka.calls import begin, ended, leave
from partita.backends.kafka.producers import Producers
from partita.backends.kafka.settings import KafkaSettings
from partita.backends.kafka.topics import TopicSender
from partita.core.errors import Closed
from partita.core.figures import Published
from partita.core.ports import Outgoing, Receipt

_MAX_REQUEST = 1_048_576  # bytes; the client's default of max_request_size


class KafkaPublisher:
    """
    Sends messages with one producer, started on first use.

    Args:
        settings: servers, options and deadlines.
        limit_of: asks the broker for the largest batch that a topic takes, in bytes.
    """

    def __init__(self, settings: KafkaSettings, limit_of: Callable[[str], Awaitable[int]]) -> None:
        self._settings = settings
        self._limit_of = limit_of
        self.published = Published()
        self._producers = Producers(settings)
        self._topics: dict[str, TopicSender] = {}
        self._largest = int(settings.producer().get("max_request_size", _MAX_REQUEST))
        self._closed = False

    async def publish(self, topic: str, message: Outgoing) -> Receipt:
        """
        Send and wait for the acknowledgement. A cancelled wait does not take the message back.

        Raises:
            TopicMissing: the topic does not exist; nothing was made in its place.
            MessageTooLarge: the message is above `max_request_size`, or above what the topic takes.
            SettingsError: the topic has no such partition.
            Closed: the publisher is closed.
            KafkaTimeoutError: not acknowledged within the deadline; the text says what is known.
            Exception: the client's own error.
        """
        return await self.send(topic, message)

    def send(self, topic: str, message: Outgoing) -> asyncio.Future[Receipt]:
        """Send without waiting; errors of `publish` arrive when the result is awaited."""
        loop = asyncio.get_running_loop()
        receipt: asyncio.Future[Receipt] = loop.create_future()
        try:
            if self._closed:
                raise Closed("the publisher is closed")
            sender = self._topics.get(topic) or self._sender(topic)
            limit = min(self._largest, sender.largest)
            due = loop.time() + self._settings.deadlines.delivery
            sender.add(prepare(topic, message, limit, _now_ms, due)(receipt))
        except Exception as error:  # noqa: BLE001 - it is the caller's, through the future
            receipt.set_exception(error)
        return receipt

    def _sender(self, topic: str) -> TopicSender:
        batch_bytes = int(self._settings.producer()["max_batch_size"])
        deadlines = self._settings.deadlines
        sender = TopicSender(topic, self._producers, deadlines, batch_bytes, self._limit_of, self.published)
        self._topics[topic] = sender
        return sender

    async def flush(self) -> None:
        """
        Wait until everything sent so far is acknowledged or has failed.

        Takes at most twice the delivery deadline: each message is given up by then.
        """
        await asyncio.gather(*[sender.flush() for sender in self._topics.values()])

    async def close(self) -> None:
        """Flush for up to the close deadline, then end the producer; the rest fails. Does not raise."""
        if self._closed:
            return
        self._closed = True
        seconds = self._settings.deadlines.close
        flush = begin(self.flush())
        if not await ended(flush, seconds):
            leave(flush)
        await self._producers.close(1.0)
        for sender in self._topics.values():
            sender.fail_all(Closed("the publisher was closed before this message was sent"))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
