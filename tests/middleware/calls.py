"""Calls of one route as a pump makes them: records, and handlers that do what a test says."""

import asyncio
from collections.abc import Awaitable, Sequence

from partita.actors.holds import Holds
from partita.backends.memory.records import MemoryReader, MemoryRecord
from partita.core.ports import TopicPartition
from partita.handlers import Call
from partita.middleware import Middleware, RouteMiddleware
from partita.middleware.compose import compose

READER = MemoryReader()
AT = TopicPartition("orders", 0)
OTHER = TopicPartition("orders", 1)


def record(value: bytes = b"", *, at: TopicPartition = AT, message_id: bytes | None = None) -> MemoryRecord:
    """A message, with a header `id` if it has one."""
    headers = () if message_id is None else (("other", b"x"), ("id", message_id))
    return MemoryRecord(at.topic, at.partition, 0, 0, None, value, headers)


class Dependency:
    """A handler's call that hangs, fails or succeeds as a test says, and counts."""

    def __init__(self) -> None:
        self.calls: list[tuple[bytes | None, int]] = []
        self.error: BaseException | None = None
        self.seconds = 0.0

    async def call(self, record: object, attempt: int) -> object:
        """Handle one message; its value is the result."""
        value = READER.value(record)
        self.calls.append((value, attempt))
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return value

    @property
    def values(self) -> list[bytes | None]:
        """What was handled, in order."""
        return [value for value, _ in self.calls]


def behind(
    middlewares: Sequence[Middleware | RouteMiddleware],
    call: Call,
    holds: Holds | None = None,
    route: str = "r",
) -> Call:
    """*call* behind *middlewares*."""
    return compose(middlewares, call, READER, holds or Holds(), route)


def start(call: Awaitable[object]) -> "asyncio.Task[object]":
    """Run a call beside the test."""

    async def awaited() -> object:
        return await call

    return asyncio.get_running_loop().create_task(awaited())
