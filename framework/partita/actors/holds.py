"""
Holds: calls that wait before their handler is started, for a rate or a circuit breaker.

A held message keeps its place, but nothing of it has begun; so it must not hold up a drain. When its
partition goes away the wait ends with `Postponed`, and the message stays unfinished, no attempt spent.
"""

import asyncio

from partita.core.ports import TopicPartition


class Postponed(asyncio.CancelledError):
    """
    The message was not given to its handler and stays unfinished; it costs no attempt.

    Like a cancellation it passes `except Exception`, so that a middleware which forgives its handler's
    errors does not take a message for handled that nobody has seen.
    """


class Holds:
    """The waits of one route, by partition. A partition is open until it is closed."""

    def __init__(self) -> None:
        self._waiting: dict[TopicPartition, dict[asyncio.Future[None], str]] = {}
        self._closed: set[TopicPartition] = set()

    def open(self, at: TopicPartition) -> None:
        """A partition is ours, again perhaps: calls may wait."""
        self._closed.discard(at)

    def close(self, at: TopicPartition) -> None:
        """A partition goes away: no call waits there any more, and none begins to."""
        self._closed.add(at)
        for ready in self._waiting.get(at, ()):
            if not ready.done():
                ready.set_result(None)

    def reason(self, at: TopicPartition) -> str | None:
        """What the longest waiting call of a partition waits for; None when none waits."""
        return next(iter(self._waiting.get(at, {}).values()), None)

    async def wait(self, at: TopicPartition, ready: "asyncio.Future[None]", reason: str) -> None:
        """
        Wait for *ready*.

        Args:
            at: the partition of the message.
            ready: is done when the call may go on.
            reason: what is waited for, as the partition's state shows it.

        Raises:
            Postponed: the partition goes away.
        """
        if at not in self._closed:
            waiting = self._waiting.setdefault(at, {})
            waiting[ready] = reason
            try:
                await ready
            finally:
                del waiting[ready]
                if not waiting:
                    self._waiting.pop(at, None)
        if at in self._closed:
            raise Postponed

    def __repr__(self) -> str:
        return f"<Holds {sum(map(len, self._waiting.values()))} calls>"
