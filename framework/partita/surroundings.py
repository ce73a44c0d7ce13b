"""
What stands around a handler's call: deadline, stall, ordering key, result, a context of its own.

Each takes a call and returns one; a route that asks for none of them has none of their frames.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Hashable
from contextvars import Context, copy_context
from types import coroutine
from typing import ParamSpec

from partita.actors.holds import Holds
from partita.actors.routes import KeyOf
from partita.actors.stalls import Stall
from partita.codecs.codec import payload_of_result
from partita.core.leases import Leases
from partita.core.ports import Outgoing, RecordReader, TopicPartition
from partita.core.settings import RouteSettings
from partita.handlers import Call
from partita.message import LEASE, Message, PublishFunction

P = ParamSpec("P")
KeyFrom = Callable[[Message], Hashable]
NULL_LANE = "no key"


def timed(call: Callable[P, Awaitable[object]], seconds: float) -> Callable[P, Awaitable[object]]:
    """A call, of one message or of a batch, that is cancelled and fails with TimeoutError after *seconds*."""

    async def handle(*args: P.args, **kwargs: P.kwargs) -> object:
        async with asyncio.timeout(seconds):
            return await call(*args, **kwargs)

    return handle


def stalling(call: Call, stall: Stall, reader: RecordReader, holds: Holds) -> Call:
    """A call that is held, with no attempt spent, while its pool can start none."""

    def begin(record: object, attempt: int) -> Awaitable[object]:
        return call(record, attempt) if stall.reason is None else later(record, attempt)

    async def later(record: object, attempt: int) -> object:
        await stall.wait(TopicPartition(reader.topic(record), reader.partition(record)), holds)
        return await call(record, attempt)

    return begin


def ordering_key(settings: RouteSettings, reader: RecordReader) -> KeyOf:
    """The function that tells a record's ordering key; None: it waits for no other message."""
    plain: KeyOf = reader.key if settings.key_from is None else _key_or_none(settings.key_from, reader)
    if settings.null_key == "none":
        return plain
    # Text, so that it is no message's key.
    return lambda record: NULL_LANE if (key := plain(record)) is None else key


def _key_or_none(key_from: KeyFrom, reader: RecordReader) -> KeyOf:
    def key_of(record: object) -> Hashable:
        key = _told(key_from, Message(record, reader))
        return None if isinstance(key, Exception) else key

    return key_of


def _told(key_from: KeyFrom, message: Message) -> Hashable:
    """The ordering key, or why there is none; the pump asks between messages, where an error is nobody's."""
    try:
        key = key_from(message)
        hash(key)
    except Exception as error:  # noqa: BLE001 - `keyed` raises it
        return error
    return key


def keyed(call: Call, key_from: KeyFrom, reader: RecordReader) -> Call:
    """A message whose key cannot be told has failed: its handler could be called out of order."""

    def handle(record: object, attempt: int) -> Awaitable[object]:
        key = _told(key_from, Message(record, reader))
        if isinstance(key, Exception):
            raise key
        return call(record, attempt)

    return handle


def publishing(call: Call, to: str, publish: PublishFunction, name: str) -> Call:
    """A call whose result is published and acknowledged before it has ended."""

    async def handle(record: object, attempt: int) -> None:
        result = await call(record, attempt)
        if result is None:
            return
        if not isinstance(result, Outgoing):
            result = Outgoing(_payload(result, name))
        await publish(to, result)

    return handle


def _payload(result: object, name: str) -> bytes:
    payload = payload_of_result(result)
    if payload is None:
        raise TypeError(
            f"{name} returned {type(result).__name__}; a route with to= publishes bytes, a value of a class "
            "with a codec, an Outgoing, or nothing for None"
        )
    return payload


def leased(call: Call, reader: RecordReader, leases: Leases) -> Call:
    """A call of which is noted, when it begins, under which lease it is, for the handler's `Context`."""

    def handle(record: object, attempt: int) -> Awaitable[object]:
        LEASE.set(leases.of(reader.topic(record), reader.partition(record)))
        return call(record, attempt)

    return handle


def isolated(call: Call) -> Call:
    """
    A call whose context variables are its own: it sees those of the worker, and what it sets ends with it.

    It still runs in the worker's task.
    """

    async def begin(record: object, attempt: int) -> object:
        return await call(record, attempt)

    return lambda record, attempt: _within(copy_context(), begin(record, attempt))


@coroutine
def _within(
    context: Context, running: Coroutine[object, object, object]
) -> Generator[object, object, object]:
    """Run a coroutine to its end, each of its steps in *context*."""
    step: Callable[..., object] = running.send
    given: object = None
    while True:
        try:
            asked = context.run(step, given)
        except StopIteration as end:
            return end.value
        finally:
            given = None  # an error that passes through must not hold this frame, which holds it
        try:
            step, given = running.send, (yield asked)
        # Whatever is thrown in, a cancellation too, is the handler's to see: nothing is half-done here.
        except BaseException as thrown:  # noqa: BLE001
            step, given = running.throw, thrown
