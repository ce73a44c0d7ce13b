"""What publishes: the half of a bus that sends messages."""

from collections.abc import Iterable, Sequence
from typing import Unpack

from partita.codecs.codec import payload_of, with_payload
from partita.core.ports import Backend, Headers, MessageOptions, Outgoing, Receipt
from partita.core.settings import check_topic_name
from partita.dead_letters import DeadLetters
from partita.interceptors import OnPublish
from partita.message import Delivery
from partita.opened import Opened
from partita.outbox import Outbox
from partita.telemetry.continuation import continuing
from partita.telemetry.tracing import Tracing


class Publishing(Opened):
    """
    Publishes on one backend.

    Args:
        backend: the code for the broker.
        on_publish: functions that every message goes through, last before the client.
    """

    def __init__(self, backend: Backend, on_publish: Sequence[OnPublish] = ()) -> None:
        super().__init__(backend)
        self._on_publish = on_publish
        self._trace(None)

    def _trace(self, tracing: Tracing | None) -> None:
        self._tracing = tracing
        self._outbox = Outbox(self._backend, tracing, self._on_publish)

    async def publish(
        self,
        topic: str,
        value: object,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
        timestamp: int | None = None,
    ) -> Receipt:
        """
        Publish one message and wait until the broker has acknowledged it.

        Args:
            topic: where to.
            value: the payload, or a value of a class with a codec; None is a null value.
            key, headers, partition, timestamp: see `MessageOptions`.

        Raises:
            TopicMissing: the topic does not exist.
            MessageTooLarge: refused before sending.
            TypeError: a key or header is not bytes, or a value neither that nor of a class with a codec.
            ValueError: a number in the value is not finite.
            Exception: the client's own error, untouched.
        """
        payload = value if type(value) is bytes else payload_of(value)
        post = self._outbox.posts.get(topic)
        if post is None or not self._open:
            message = Outgoing(payload, key=key, headers=headers, partition=partition, timestamp=timestamp)
            return await self._publish(topic, message)
        try:
            return await post(payload, key, headers, partition, timestamp)
        except Exception:
            self._outbox.fail(topic)
            raise

    async def _publish(self, topic: str, message: Outgoing) -> Receipt:
        self._check_open()
        return await self._outbox.publish(topic, with_payload(message))

    def send(self, topic: str, value: object, **options: Unpack[MessageOptions]) -> Delivery:
        """
        Publish one message without waiting; `await` the delivery for its receipt, now or later.

        Arguments are those of `publish`. A delivery that fails and that nobody awaits is logged, and
        raised by `flush`.
        """
        self._check_open()
        return self._outbox.send(topic, Outgoing(payload_of(value), **options))

    async def publish_batch(self, topic: str, messages: Iterable[object]) -> Sequence[Receipt]:
        """
        Publish messages in order and wait for all acknowledgements.

        Args:
            topic: where to.
            messages: values as `publish` takes them, or `Outgoing` for those with a key or headers.

        Raises:
            PublishErrors: some failed; it groups the client's own errors, with `.receipts` and `.errors`
                by index.
        """
        self._check_open()
        return await self._outbox.publish_batch(topic, [_outgoing(each) for each in messages])

    async def flush(self) -> None:
        """
        Wait until everything sent so far is acknowledged or has failed.

        Raises:
            PublishErrors: deliveries that failed and that nobody awaited.
        """
        self._check_open()
        await self._outbox.flush()

    def dead_letters(self, topic: str) -> DeadLetters:
        """
        The dead letters in *topic*, to be read and replayed. Nothing is asked of the broker yet.

        Raises:
            SettingsError: it is no topic name.
        """
        self._check_open()
        send = self._outbox.queue if self._tracing is None else continuing(self._outbox.queue)
        return DeadLetters(self._backend, send, check_topic_name(topic))


def _outgoing(given: object) -> Outgoing:
    return with_payload(given) if isinstance(given, Outgoing) else Outgoing(payload_of(given))
