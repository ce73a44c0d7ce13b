"""
A route's middlewares and its handler's call, put together once when the worker starts.

A middleware costs its own coroutine and a plain call for each message. What is passed on is the message
that came: a `Message` is a view of the client's record, so there is nothing to change in it, and a
middleware that would hand its handler another one is refused.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, runtime_checkable

from partita.actors.holds import Holds
from partita.core.errors import SettingsError
from partita.core.ports import RecordReader, TopicPartition
from partita.handlers import Call
from partita.message import Message

CallNext = Callable[[Message], Awaitable[object]]
Middleware = Callable[[Message, CallNext], Awaitable[object]]


@runtime_checkable
class RouteMiddleware(Protocol):
    """A middleware with a state of its own for each route that it stands in."""

    def for_route(self, route: str) -> Middleware:
        """
        What stands in one route; called once when the worker starts.

        Args:
            route: names the route the same way in every process and at every start.
        """
        ...


class Attempt(Message):
    """
    A message on its way through the middlewares.

    Attributes:
        attempt: which attempt this is, from 1.
        holds: the waits of its route.
    """

    __slots__ = ("attempt", "holds")

    def __init__(self, raw: object, reader: RecordReader, attempt: int, holds: Holds) -> None:
        super().__init__(raw, reader)
        self.attempt = attempt
        self.holds = holds


async def hold(message: Message, ready: "asyncio.Future[None]", reason: str) -> None:
    """
    Wait for *ready* before the handler is called, without holding up a drain.

    Args:
        message: the message that waits.
        ready: is done when the message may go on; each wait needs a future of its own.
        reason: what is waited for, as the partition's state shows it.

    Raises:
        Postponed: its partition goes away; let it pass.
    """
    if isinstance(message, Attempt):
        await message.holds.wait(TopicPartition(message.topic, message.partition), ready, reason)
    else:
        await ready


def compose(
    middlewares: Sequence[Middleware | RouteMiddleware],
    call: Call,
    reader: RecordReader,
    holds: Holds,
    route: str = "",
) -> Call:
    """
    *call* behind *middlewares*, the first of them outermost; without any, *call* itself.

    Args:
        middlewares: each is called with the message and with what is next.
        call: takes the record and the attempt.
        reader: reads the records.
        holds: the waits of this route.
        route: names the route; see `RouteMiddleware`.

    Raises:
        SettingsError: one object with a state per route stands there twice.
    """
    if not middlewares:
        return call
    step = _innermost(call)
    for each in reversed(_bound(middlewares, route)):
        step = _before(each, step)

    def begin(record: object, attempt: int) -> Awaitable[object]:
        return step(Attempt(record, reader, attempt, holds))

    return begin


def _bound(middlewares: Sequence[Middleware | RouteMiddleware], route: str) -> list[Middleware]:
    stateful = [each for each in middlewares if isinstance(each, RouteMiddleware)]
    for each in stateful:
        # Its two places would share one state, and the inner one wait for the outer one for ever.
        if sum(other is each for other in stateful) > 1:
            raise SettingsError(f"middleware: {each!r} stands there twice; make a second object of it")
    return [each.for_route(route) if isinstance(each, RouteMiddleware) else each for each in middlewares]


def _before(middleware: Middleware, step: CallNext) -> CallNext:
    return lambda message: middleware(message, step)


def _innermost(call: Call) -> CallNext:
    def handler(message: Message) -> Awaitable[object]:
        if not isinstance(message, Attempt):
            raise TypeError(
                f"a middleware passed on {message!r}, which is not the message it was given; "
                "pass that one to call_next"
            )
        return call(message.raw, message.attempt)

    return handler
