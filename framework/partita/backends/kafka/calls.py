"""
Calls of a client: each in a task of its own, waited for up to a deadline, never cancelled while it lives.

Cancelled polls and stops leave a client half broken for good (aiokafka issues 647 and 773, 0.14).
"""

import asyncio
import logging
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

from aiokafka.errors import KafkaTimeoutError

T = TypeVar("T")
_left: set[asyncio.Task[Any]] = set()
_log = logging.getLogger("partita.kafka")


def begin(call: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Run a call in a task without our context, or a span of ours would be the parent of all it starts."""
    return asyncio.get_running_loop().create_task(call, context=Context())


async def ended(task: asyncio.Future[Any], seconds: float) -> bool:
    """Wait for *task* up to *seconds*; it goes on when it takes longer."""
    await asyncio.wait({task}, timeout=seconds)
    return task.done()


def leave(task: asyncio.Task[Any]) -> None:
    """Let a task that nobody waits for any more go on to its end, and say how it ended if badly."""
    _left.add(task)
    task.add_done_callback(_ended_alone)


def _ended_alone(task: asyncio.Task[Any]) -> None:
    _left.discard(task)
    if not task.cancelled() and (error := task.exception()):
        _log.info("a call that was no longer waited for ended with %s", type(error).__name__)


class Calls:
    """
    Tasks that end with their client at the latest.

    Args:
        seconds: how long an answer is waited for.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ended = False

    def begin(self, call: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin a call."""
        task = begin(call)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def answer(self, call: Coroutine[Any, Any, T]) -> T:
        """
        The result of a call.

        Raises:
            KafkaTimeoutError: it took too long; it goes on.
            Exception: the client's own error.
        """
        task = self.begin(call)
        if not await ended(task, self._seconds):
            leave(task)
            raise KafkaTimeoutError(f"no answer within {self._seconds:g} s")
        return task.result()

    def end(self) -> None:
        """The client has ended: end what would otherwise wait for it for ever (aiokafka 0.14)."""
        self._ended = True
        for task in list(self._tasks):
            task.cancel()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if self._ended and not task.cancelled():
            task.exception()  # nobody asks for it any more
