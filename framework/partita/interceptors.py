"""
A program's own functions at the client's edge: around every message that goes out, and every record that is
handled. Where there is none, nothing of this stands in the way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

import attrs

from partita.core.errors import SettingsError
from partita.core.figures import Published
from partita.core.ports import Outgoing, Post, Publisher, QuickPublisher, Receipt
from partita.handlers import Call

OnPublish = Callable[[str, Outgoing], Outgoing]
OnConsume = Callable[[Any], Any]
BatchCall = Callable[[Sequence[object], int, MutableMapping[int, BaseException]], Awaitable[object]]


@attrs.frozen
class Interceptors:
    """
    Functions that are called in the order they are given.

    Args:
        on_publish: takes the topic and the message, with all headers that it goes out with, and returns the
            message to send.
        on_consume: takes the client's record, and returns it or one like it for the handler.

    Raises:
        SettingsError: one is no plain function.
    """

    on_publish: Sequence[OnPublish] = ()
    on_consume: Sequence[OnConsume] = ()

    def __attrs_post_init__(self) -> None:
        for name in ("on_publish", "on_consume"):
            for function in getattr(self, name):
                if not callable(function) or asyncio.iscoroutinefunction(function):
                    raise SettingsError(f"{name}={function!r}: give plain functions; they are not awaited")


class InterceptedPublisher:
    """
    A publisher behind functions of the program's own. What one of them raises is that message's outcome.

    Args:
        publisher: sends what comes out of them.
        functions: called in this order.
        check: refuses what no broker can carry.
    """

    def __init__(
        self, publisher: Publisher, functions: Sequence[OnPublish], check: Callable[[Outgoing], None]
    ) -> None:
        self._publisher, self._functions, self._check = publisher, functions, check
        self._queue = publisher.queue if isinstance(publisher, QuickPublisher) else publisher.send
        self.posts: Mapping[str, Post] = {}

    @property
    def pending_bytes(self) -> int:
        """Bytes of messages that are not acknowledged yet."""
        return self._publisher.pending_bytes

    @property
    def pending_since(self) -> float | None:
        """Loop time in seconds since when the oldest of them waits; None: there is none."""
        return self._publisher.pending_since

    @property
    def published(self) -> Published:
        """What the publisher counts."""
        return self._publisher.published

    async def publish(self, topic: str, message: Outgoing) -> Receipt:
        """Intercept, send and wait. Raises what a function raised, or what the publisher does."""
        return await self._publisher.publish(topic, self._through(topic, message))

    def send(self, topic: str, message: Outgoing) -> Awaitable[Receipt]:
        """Intercept and send; what a function raised is raised when the result is awaited."""
        return self._sent(self._publisher.send, topic, message)

    def queue(self, topic: str, message: Outgoing) -> Awaitable[Receipt]:
        """The same, with a message for which there is no room yet."""
        return self._sent(self._queue, topic, message)

    def _sent(
        self, send: Callable[[str, Outgoing], Awaitable[Receipt]], topic: str, message: Outgoing
    ) -> Awaitable[Receipt]:
        try:
            intercepted = self._through(topic, message)
        except Exception as error:  # noqa: BLE001 - it is the sender's, through the future
            failed: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
            failed.set_exception(error)
            return failed
        return send(topic, intercepted)

    def _through(self, topic: str, message: Outgoing) -> Outgoing:
        for function in self._functions:
            message = function(topic, message)
            if not isinstance(message, Outgoing):
                raise TypeError(f"{function!r} returned a {type(message).__name__}; return the message")
        self._check(message)
        return message

    async def flush(self) -> None:
        """Wait for what was sent."""
        await self._publisher.flush()


def intercepted(call: Call, functions: Sequence[OnConsume]) -> Call:
    """A handler's call with what comes out of the functions; what one of them raises fails the attempt."""
    if not functions:
        return call
    return lambda record, attempt: call(_consumed(record, functions), attempt)


def batch_intercepted(call: BatchCall, functions: Sequence[OnConsume]) -> BatchCall:
    """The same for a batch: one record that cannot be had is found as one that a handler fails at is."""
    if not functions:
        return call

    def through(
        records: Sequence[object], attempt: int, failed: MutableMapping[int, BaseException]
    ) -> Awaitable[object]:
        return call([_consumed(each, functions) for each in records], attempt, failed)

    return through


def _consumed(record: object, functions: Sequence[OnConsume]) -> object:
    for function in functions:
        record = function(record)
    return record
