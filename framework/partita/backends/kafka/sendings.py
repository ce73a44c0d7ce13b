"""Messages that are checked before anything of them is sent, and the bytes that may be under way."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import attrs
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from partita.core.errors import MessageTooLarge, SettingsError
from partita.core.ports import Outgoing, Receipt

_BYTES = (bytes, bytearray, memoryview)
# Bytes that a message without headers takes beside its key and value, at most; those of a batch included.
FRAME = 96
Serializer = Callable[[Any], bytes | None]
estimate: Callable[[bytes | None, bytes | None, Any], int] = DefaultRecordBatchBuilder.estimate_size_in_bytes


@attrs.define(eq=False)
class Sending:
    """
    A message that waits for its place in a batch.

    Args:
        value: the payload.
        key: its key.
        headers: name and bytes pairs.
        timestamp: milliseconds since 1970.
        partition: where the caller wants it; None: anywhere.
        size: bytes as the client counts them, an upper bound.
        due: loop time in seconds at which it is given up when its turn has not come.
        receipt: what the caller waits for.
    """

    value: bytes | None
    key: bytes | None
    headers: list[tuple[str, bytes]]
    timestamp: int
    partition: int | None
    size: int
    due: float
    receipt: asyncio.Future[Receipt]

    def fail(self, error: BaseException) -> None:
        """Tell the caller, if it still waits."""
        if not self.receipt.done():
            self.receipt.set_exception(error)


def prepare(
    topic: str, message: Outgoing, limit: int, due: float, receipt: asyncio.Future[Receipt]
) -> Sending:
    """
    Check a message before anything of it is sent.

    Args:
        limit: bytes of the largest message that is sent.
        due: when to give it up, in seconds of loop time.

    Raises:
        MessageTooLarge: it is above *limit*; a batch that the broker refuses would make the idempotent
            producer useless for its partition (aiokafka 0.14).
        TypeError: key, value or a header is not of the type that the wire takes.
        SettingsError: the timestamp is none.
    """
    key, value, headers = _raw(message.key), _raw(message.value), list(message.headers)
    for name, content in headers:
        if not isinstance(name, str):
            raise TypeError(f"the name of a header is a str, not {type(name).__name__}")
        if _raw(content) is None:
            raise TypeError(f"headers are pairs of str and bytes, not {type(content).__name__}")
    size = estimate(key, value, headers)
    if size > limit:
        raise MessageTooLarge(topic, size, limit)
    size = max(size, framed(key, value))
    timestamp = time.time_ns() // 1_000_000 if message.timestamp is None else message.timestamp
    if type(timestamp) is not int or not 0 <= timestamp < 2**63:
        raise SettingsError(f"a timestamp is in milliseconds since 1970, not {timestamp!r}")
    return Sending(value, key, headers, timestamp, message.partition, size, due, receipt)


def framed(key: bytes | None, value: bytes | None) -> int:
    """Bytes that a message without headers counts as."""
    return FRAME + len(value or b"") + len(key or b"")


def _raw(content: object) -> bytes | None:
    """The bytes themselves: what waits must not change under the caller's hands."""
    if content is None or type(content) is bytes:
        return content
    if not isinstance(content, _BYTES):
        raise TypeError(f"keys and values are bytes or None, not {type(content).__name__}")
    return bytes(content)


@attrs.define(eq=False)
class Budget:
    """
    The bytes of one publisher that are not acknowledged yet, and who waits until there are fewer.

    Args:
        limit: bytes; one message that is larger is taken when there is no other.

    Attributes:
        held: bytes that are not acknowledged.
        open_to: what may be held when one more message is taken; below zero while somebody waits.
        waiting: messages in the order in which they came, each with what gives it its place.
    """

    limit: int
    held: int = 0
    open_to: int = attrs.field(
        init=False, default=attrs.Factory(lambda budget: budget.limit, takes_self=True)
    )
    waiting: deque[tuple[Sending, Callable[[Sending], None]]] = attrs.field(factory=deque)
    _admitting: bool = False

    def has_room(self, size: int) -> bool:
        """Whether *size* bytes may be taken now: nobody waits, and they fit."""
        return not self.waiting and (self.held + size <= self.limit or not self.held)

    def wait(self, sending: Sending, place: Callable[[Sending], None]) -> None:
        """Call *place* with a message when it is its turn."""
        self.waiting.append((sending, place))
        self.open_to = -1

    def release(self, size: int) -> None:
        """So many bytes are acknowledged or have failed: whoever is first gets its place."""
        self.held -= size
        if self.waiting and not self._admitting:
            self._admitting = True  # a message that fails at its place releases its bytes at once
            self._admit()
            self._admitting = False
            self._open()

    def _admit(self) -> None:
        while self.waiting:
            sending, place = self.waiting[0]
            given_up = sending.receipt.done()
            if not given_up and self.held and self.held + sending.size > self.limit:
                return
            self.waiting.popleft()
            if not given_up:  # who was cancelled while it waited has sent nothing
                self.held += sending.size
                place(sending)

    def expire(self, now: float, error: Callable[[], Exception]) -> None:
        """Give up those whose turn has not come in time."""
        while self.waiting and self.waiting[0][0].due <= now:
            self.waiting.popleft()[0].fail(error())
        self._open()

    def clear(self, error: Exception) -> None:
        """Give up all that wait."""
        while self.waiting:
            self.waiting.popleft()[0].fail(error)
        self._open()

    def _open(self) -> None:
        if not self.waiting:
            self.open_to = self.limit
