"""What a bus publishes: checked messages, deliveries, and the failures that nobody has awaited."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from partita.core.errors import PublishErrors
from partita.core.health import describe
from partita.core.ports import Backend, Outgoing, Post, QuickPublisher, Receipt
from partita.interceptors import InterceptedPublisher, OnPublish
from partita.message import Delivery
from partita.telemetry.tracing import Tracing

Send = Callable[[str, Outgoing], Awaitable[Receipt]]
_log = logging.getLogger("partita.publisher")


class Outbox:
    """
    Publishing on one backend, with or without spans.

    Args:
        backend: where to.
        tracing: None when no provider is installed.
        on_publish: functions that every message goes through, last before the client.

    Attributes:
        posts: see `QuickPublisher.posts`; none when each message has a span.
    """

    def __init__(
        self, backend: Backend, tracing: Tracing | None, on_publish: Sequence[OnPublish] = ()
    ) -> None:
        publisher = backend.publisher
        if on_publish:
            publisher = InterceptedPublisher(publisher, on_publish, check_message)
        self._publisher = publisher
        self._tracing = tracing
        self.posts: Mapping[str, Post] = {}
        self._waiting: Send = publisher.send
        if isinstance(publisher, QuickPublisher):
            self._waiting = publisher.queue
            self.posts = publisher.posts if tracing is None else {}
        self._under_way: dict[asyncio.Future[Receipt], str] = {}
        self._claimed: set[asyncio.Future[Receipt]] = set()
        self._failed: dict[asyncio.Future[Receipt], Exception] = {}

    def fail(self, topic: str) -> None:
        """Count a message that was posted and not acknowledged."""
        self._publisher.published.fail(topic)

    async def publish(self, topic: str, message: Outgoing) -> Receipt:
        """Publish and wait for the acknowledgement. Raises the client's own error."""
        check_message(message)
        try:
            if self._tracing is None:
                return await self._publisher.publish(topic, message)
            return await self._tracing.publish(topic, message, self._publisher.publish)
        except Exception:
            self._publisher.published.fail(topic)
            raise

    def send(self, topic: str, message: Outgoing) -> Delivery:
        """Publish without waiting. Raises asyncio.QueueFull when too much is under way."""
        check_message(message)
        return self._delivery(topic, self._begin(topic, message, self._publisher.send))

    def queue(self, topic: str, message: Outgoing) -> Delivery:
        """The same, but a message for which there is no room yet waits for it in order."""
        check_message(message)
        return self._delivery(topic, self._begin(topic, message, self._waiting))

    def _begin(self, topic: str, message: Outgoing, send: Send) -> asyncio.Future[Receipt]:
        sent = send(topic, message) if self._tracing is None else self._tracing.send(topic, message, send)
        return asyncio.ensure_future(sent)

    def _delivery(self, topic: str, receipt: asyncio.Future[Receipt]) -> Delivery:
        self._under_way[receipt] = topic
        receipt.add_done_callback(self._done)
        return Delivery(receipt, lambda: self._claim(receipt))

    async def publish_batch(self, topic: str, messages: Sequence[Outgoing]) -> Sequence[Receipt]:
        """Publish in order and wait for all. Raises PublishErrors."""
        for message in messages:
            check_message(message)
        sent = [self._begin(topic, each, self._waiting) for each in messages]
        receipts: dict[int, Receipt] = {}
        errors: dict[int, Exception] = {}
        for index, each in enumerate(sent):
            try:
                receipts[index] = await each
            except asyncio.CancelledError:
                # The messages are under way, and nobody is left who would be told how they end.
                for other in sent:
                    other.add_done_callback(_error_of)
                raise
            except Exception as error:  # noqa: BLE001 - all are raised together below
                errors[index] = error
        if errors:
            for _ in errors:
                self._publisher.published.fail(topic)
            told = f"{len(errors)} of {len(sent)} messages for {topic!r} were not acknowledged"
            raise PublishErrors(told, list(errors.values()), receipts, errors)
        return list(receipts.values())

    async def flush(self) -> None:
        """Wait for all that is under way. Raises PublishErrors for what failed and nobody awaited."""
        await self._publisher.flush()
        if self._under_way:
            await asyncio.wait(list(self._under_way))
        failed, self._failed = list(self._failed.values()), {}
        if failed:
            raise PublishErrors(f"{len(failed)} deliveries failed and nobody awaited them", failed)

    def _claim(self, receipt: asyncio.Future[Receipt]) -> None:
        if receipt in self._under_way:
            self._claimed.add(receipt)
        self._failed.pop(receipt, None)

    def _done(self, receipt: asyncio.Future[Receipt]) -> None:
        topic = self._under_way.pop(receipt)
        error = _error_of(receipt)
        if error is not None:
            self._publisher.published.fail(topic)
        if error is not None and receipt not in self._claimed:
            _log.error("a message was not acknowledged: %s", describe(error))
            self._failed[receipt] = error
        self._claimed.discard(receipt)


def _error_of(receipt: asyncio.Future[Receipt]) -> Exception | None:
    if receipt.cancelled():
        return None
    error = receipt.exception()
    return error if isinstance(error, Exception) else None


def check_message(message: Outgoing) -> None:
    """
    Refuse what no broker can carry, before anything is sent.

    Raises:
        TypeError: a value or key is neither bytes nor None, or a header is not a (str, bytes) pair.
    """
    for name in ("value", "key"):
        given = getattr(message, name)
        if given is not None and not isinstance(given, bytes):
            raise TypeError(f"a message's {name} is bytes or None, not {type(given).__name__}")
    for header in message.headers:
        if not (len(header) == 2 and isinstance(header[0], str) and isinstance(header[1], bytes)):
            raise TypeError("a header is a pair of a str and bytes, such as ('kind', b'refund')")
