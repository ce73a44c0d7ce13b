"""
The messages on their way to the server, as a book without await, clock or client.

A message keeps one id through all attempts, so the server stores it once however often it is sent within
its duplicate window; and it keeps its place, so that after a reconnect all that is unanswered is sent again
in the order in which it was first sent.
"""

import asyncio
from collections import deque
from collections.abc import Iterator

import attrs
from nats.errors import TimeoutError as NatsTimeoutError

from partita.core.ports import Outgoing, Receipt

IN_FLIGHT = 4096
IN_FLIGHT_BYTES = 16 * 1024 * 1024
ANSWER_SECONDS = 5.0
GIVE_UP_SECONDS = 30.0
RETRY_SECONDS = 0.25


@attrs.define(eq=False)
class Sending:
    """
    One message on its way.

    Args:
        number: its place among all messages of the publisher.
        topic: where to.
        message: what.
        result: the caller's.
        since: when it was given to us.

    Attributes:
        partition: the chosen partition, once it was sent.
        size: bytes on the wire.
        first_at: when it was sent first; None: not yet.
        again_at: when to send it again if no answer comes.
        give_up_at: when to fail it.
        error: why the latest attempt failed.
    """

    number: int
    topic: str
    message: Outgoing
    result: "asyncio.Future[Receipt]"
    since: float
    partition: int = attrs.field(default=0, init=False)
    size: int = attrs.field(default=0, init=False)
    first_at: float | None = attrs.field(default=None, init=False)
    again_at: float = attrs.field(default=0.0, init=False)
    give_up_at: float = attrs.field(default=0.0, init=False)
    error: Exception | None = attrs.field(default=None, init=False)

    def sent(self, now: float, window: float) -> None:
        """It was sent; *window* is for how many seconds the server knows its id."""
        if self.first_at is None:
            self.first_at = now
            self.give_up_at = now + min(GIVE_UP_SECONDS, window * 0.8)
        self.again_at = now + ANSWER_SECONDS


@attrs.define(eq=False)
class Sendings:
    """Messages that wait, and messages that were sent and are not answered."""

    in_flight: dict[int, Sending] = attrs.field(factory=dict, init=False)
    progress_at: float = attrs.field(default=0.0, init=False)
    _waiting: deque[Sending] = attrs.field(factory=deque, init=False)
    _last: int = attrs.field(default=0, init=False)
    _bytes: int = attrs.field(default=0, init=False)
    _look_at: float = attrs.field(default=0.0, init=False)
    _flushes: list[tuple[int, "asyncio.Future[None]"]] = attrs.field(factory=list, init=False)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return not self.in_flight and not self._waiting

    @property
    def pending_bytes(self) -> int:
        """Bytes of all that is not stored; of what was never sent, the payloads."""
        return self._bytes + sum(len(each.message.value or b"") for each in self._waiting)

    @property
    def pending_since(self) -> float | None:
        """When the oldest of them was given to us; None: there is none."""
        oldest = next(iter(self.in_flight.values()), self._waiting[0] if self._waiting else None)
        return None if oldest is None else oldest.since

    def add(self, topic: str, message: Outgoing, result: "asyncio.Future[Receipt]", now: float) -> None:
        """A message to send, after all that wait."""
        if self.idle:
            self.progress_at = now
        self._last += 1
        self._waiting.append(Sending(self._last, topic, message, result, now))

    def head(self) -> Sending | None:
        """The next message to send for the first time; None while none waits or the window is full."""
        full = len(self.in_flight) >= IN_FLIGHT or self._bytes >= IN_FLIGHT_BYTES
        return self._waiting[0] if self._waiting and not full else None

    def start(self, sending: Sending, size: int) -> None:
        """The head is being sent."""
        if self._waiting and self._waiting[0] is sending:
            self._waiting.popleft()
            sending.size = size
            self._bytes += size
            self.in_flight[sending.number] = sending

    def repeat_all(self, now: float) -> None:
        """The connection was lost: all that is unanswered is to be sent again, in order."""
        self._look_at = 0.0
        for sending in self.in_flight.values():
            sending.again_at = now

    def due(self, now: float) -> list[Sending]:
        """What is to be sent again now, in order. Looks at all of them at most every 0.25 s."""
        if now < self._look_at:
            return []
        self._look_at = now + RETRY_SECONDS
        return [sending for sending in self.in_flight.values() if sending.again_at <= now]

    def expired(self, now: float) -> Iterator[tuple[Sending, Exception]]:
        """What has waited too long, and the error to fail it with."""
        for sending in list(self.in_flight.values()):
            if sending.give_up_at <= now:
                yield sending, sending.error or NatsTimeoutError()
        # A queue that moves is only long; one that stands still has lost its server.
        for sending in list(self._waiting):
            if max(sending.since, self.progress_at) + GIVE_UP_SECONDS > now:
                break
            yield sending, sending.error or NatsTimeoutError()

    def everything(self) -> list[Sending]:
        """All that is neither stored nor failed, in order."""
        return [*self.in_flight.values(), *self._waiting]

    def done(self, sending: Sending, outcome: Receipt | Exception) -> None:
        """A message was stored, or has failed for good."""
        if self.in_flight.pop(sending.number, None) is not None:
            self._bytes -= sending.size
        elif sending in self._waiting:
            self._waiting.remove(sending)
        if not sending.result.done():
            if isinstance(outcome, Exception):
                sending.result.set_exception(outcome)
            else:
                sending.result.set_result(outcome)
        self._settle_flushes()

    def flush(self, waiter: "asyncio.Future[None]") -> None:
        """Set *waiter* when all that was added so far is stored or has failed."""
        self._flushes.append((self._last, waiter))
        self._settle_flushes()

    def _settle_flushes(self) -> None:
        if not self._flushes:
            return
        # Both are in the order of their numbers, and what is under way comes before what waits.
        first = next(iter(self.in_flight), self._waiting[0].number if self._waiting else self._last + 1)
        for last, waiter in list(self._flushes):
            if first > last:
                self._flushes.remove((last, waiter))
                if not waiter.done():
                    waiter.set_result(None)
