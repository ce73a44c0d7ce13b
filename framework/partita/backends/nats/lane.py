"""
One partition at one member, as a state machine without await, clock or client.

Seen on nats-server 2.15.1, and what follows from it:

- The server pins a member when it has a message to deliver, and says so with the pin id in that message.
  A partition without messages is nobody's. Pulls of others stay open and get heartbeats only.
- Each pull that names the pin id starts the pin's time anew. When that runs out the next message goes to
  another member at once. So we know by our own clock, before the server does, that a pin may have lapsed.
- Deliveries are numbered without gaps from 1 at each reset, whoever gets them. Number 1 is therefore the
  first message after the floor, and any other number than the next one means that something was missed.
- Nothing is pinned while all is delivered: what a dead member left unacknowledged comes again only after
  a reset. A member without the partition therefore looks for such messages.

Not survived: a member that does not own the partition has the consumer reset (only after a long silence
of the owner does one do that), and at the same time the server loses a message on a connection that stays
up, and that message's number is the one the owner waits for.
"""

from collections import deque
from enum import Enum, auto

import attrs

from partita.backends.nats.deliveries import Deliveries
from partita.backends.nats.pulls import OpenPulls, Pull
from partita.backends.nats.statuses import Meaning, Status

PAUSE = 0.5
LOOK_EVERY = 1.0


class Event(Enum):
    """What the partition's owner is told, in order."""

    ASSIGNED = auto()
    LOST = auto()


@attrs.frozen
class Reset:
    """Have the consumer start again from its floor; answer with `reset_done` or `reset_failed`."""


@attrs.frozen
class Look:
    """Ask for the consumer's state; answer with `looked` or `look_failed`."""


@attrs.frozen
class Fail:
    """Give the subscription up for the reason in *status*."""

    status: Status


Action = Pull | Reset | Look | Fail


@attrs.define(eq=False)
class Asking:
    """
    Something that is asked for one at a time, and not too often.

    Args:
        every: seconds between two of them.
    """

    every: float
    _under_way: bool = attrs.field(default=False, init=False)
    _at: float = attrs.field(default=float("-inf"), init=False)

    def __bool__(self) -> bool:
        """Whether an answer is awaited."""
        return self._under_way

    def begin(self, now: float) -> bool:
        """Whether to ask now; it is under way then."""
        if self._under_way or now - self._at < self.every:
            return False
        self._under_way, self._at = True, now
        return True

    def end(self) -> None:
        """An answer has come, or none will."""
        self._under_way = False

    def forget(self) -> None:
        """What was asked is gone; the next may be asked at once."""
        self._under_way, self._at = False, float("-inf")


@attrs.define(eq=False)
class Lane:
    """
    One partition at one member.

    Args:
        pulls: the pulls that are open for it.

    Attributes:
        pin: the server's id for our ownership; None: not ours.
        next_offset: the offset after the last one taken; None: nothing taken in this ownership.
        expected: the number of the next delivery.
        awaiting: whether a reset is to come before anything is taken.
        deliveries: what is not acknowledged.
        buffer: what was taken and not handed on, with its size in bytes in *buffered*.
        events: what the owner is still to be told.
    """

    pulls: OpenPulls
    pin: str | None = attrs.field(default=None, init=False)
    next_offset: int | None = attrs.field(default=None, init=False)
    expected: int = attrs.field(default=1, init=False)
    awaiting: bool = attrs.field(default=False, init=False)
    deliveries: Deliveries = attrs.field(factory=Deliveries, init=False)
    buffer: list[object] = attrs.field(factory=list, init=False)
    buffered: int = attrs.field(default=0, init=False)
    events: deque[Event] = attrs.field(factory=deque, init=False)
    _actions: list[Action] = attrs.field(factory=list, init=False)
    _assigned: bool = attrs.field(default=False, init=False)
    _dead_pin: str | None = attrs.field(default=None, init=False)
    _paused_until: float = attrs.field(default=0.0, init=False)
    _reset_due: bool = attrs.field(default=False, init=False)
    _resets: Asking = attrs.field(factory=lambda: Asking(PAUSE), init=False)
    _looks: Asking = attrs.field(factory=lambda: Asking(LOOK_EVERY), init=False)
    _worried: bool = attrs.field(default=True, init=False)
    _last_delivery: int | None = attrs.field(default=None, init=False)

    def take_actions(self, now: float) -> list[Action]:
        """What is to be done now, in order; pulls that are due included."""
        actions, self._actions = self._actions, []
        if now >= self._paused_until:
            actions += self.pulls.due(self.pin, self.buffered, now)
        return actions

    def hand_over(self) -> tuple[list[object], int, int]:
        """What has come, the offset after it, and its size in bytes; the buffer is empty then."""
        taken = self.buffer, self.next_offset or 0, self.buffered
        self.buffer, self.buffered = [], 0
        return taken

    def delivered(self, pin: str, offset: int, delivery: int, now: float) -> bool:
        """
        A message has come. Whether it is the next one; the caller then puts it into the buffer.

        False: it was handed over before a reset, or it comes again after one.
        """
        self.pulls.heard_at = now
        if pin == self._dead_pin:
            return False
        if self.pin != pin:
            self._adopt(pin, delivery, now)
        if delivery == 1:
            self.deliveries.restart()
            self.awaiting = self._reset_due = False
        elif self.awaiting:
            return False
        elif delivery != self.expected:
            self._gap(now)
            return False
        self.expected = delivery + 1
        return self._accept(offset)

    def _accept(self, offset: int) -> bool:
        if self.next_offset is not None and offset < self.next_offset:
            return False
        self.next_offset = offset + 1
        if not self._assigned:
            self._assigned = True
            self.events.append(Event.ASSIGNED)
        return True

    def _adopt(self, pin: str, delivery: int, now: float) -> None:
        """
        Take a pin that is new to us.

        A new id with the very next number is a pin that lapsed and came back: nobody else was handed
        anything in between.
        """
        continued = self.pin is not None and not self.awaiting and delivery == self.expected
        if self.pin is not None and not continued:
            self._lose()
        self.pin, self.pulls.renewed_at = pin, now
        self.pulls.forget()

    def _gap(self, now: float) -> None:
        """Something on its way was missed, or somebody else was handed it: read from the floor again."""
        self.expected, self.awaiting, self._reset_due = 1, True, True
        self._reset(now)

    def _reset(self, now: float) -> None:
        if self._resets.begin(now):
            self._reset_due = False
            self._actions.append(Reset())

    def restart(self, now: float) -> None:
        """Read from the floor again, for example because an ack did not move it."""
        if self.pin is not None:
            self._gap(now)

    def reset_done(self) -> None:
        """The server has reset the consumer."""
        self._resets.end()

    def reset_failed(self) -> None:
        """It has not, or nobody knows; `tick` asks again if it still matters."""
        self._resets.end()
        self._reset_due = self.awaiting

    def _lose(self) -> None:
        """Somebody else may have the partition: forget everything about this ownership."""
        self._dead_pin, self.pin = self.pin, None
        self.next_offset, self.expected, self.awaiting, self._reset_due = None, 1, False, False
        self.deliveries = Deliveries()
        self.buffer, self.buffered = [], 0
        self.pulls.forget()
        self._worried = True
        if self._assigned:
            self._assigned = False
            self.events.append(Event.LOST)

    def status(self, token: int, status: Status, now: float) -> None:
        """The server has said something about a pull."""
        self.pulls.heard_at = now
        meaning = status.meaning
        if meaning is Meaning.BEAT:
            self._beat(status.last_delivery, now)
            return
        pull = self.pulls.ended(token)
        if meaning is Meaning.WRONG_PIN:
            # The answer to a pull of an earlier ownership says nothing about this one.
            if pull is not None and pull.pin is not None and pull.pin == self.pin:
                self._lose()
        elif meaning is Meaning.FAILED:
            self._actions.append(Fail(status))
        elif meaning is not Meaning.OVER:
            self._paused_until = now + PAUSE
            self._look(now)

    def _beat(self, last_delivery: int | None, now: float) -> None:
        if last_delivery is None:
            return
        if last_delivery != self._last_delivery:
            self._last_delivery, self._worried = last_delivery, True
        # Heartbeats come in order with messages: what they count and we have not seen was lost.
        if self.pin is not None and not self._resets and last_delivery >= self.expected:
            self._gap(now)

    def _look(self, now: float) -> None:
        if self._looks.begin(now):
            self._actions.append(Look())

    def looked(self, pinned: bool, unacknowledged: int, pending: int, now: float) -> None:
        """The consumer's state has come: whether somebody has it, and what is open and waiting."""
        self._looks.end()
        self._worried = self.pin is None and bool(unacknowledged or pending)
        if self._worried and not pinned and unacknowledged and not pending:
            self._reset(now)

    def look_failed(self) -> None:
        """The consumer's state did not come."""
        self._looks.end()

    def reconnected(self, now: float) -> None:
        """The connection was cut and is back: pulls and messages that were on their way are gone."""
        self.pulls.forget()
        self._resets.forget()
        self._looks.forget()
        self._paused_until, self._worried = 0.0, True
        self.restart(now)

    def lapsed(self, now: float) -> bool:
        """
        Whether this member may not act for the partition; loses it when our pulls ceased for too long.

        That is what a process finds that was stopped for a while: nothing may be committed then.
        """
        if self.pin is not None and now - self.pulls.renewed_at > self.pulls.pin_timeout:
            self._lose()
        return self.pin is None

    def tick(self, now: float) -> None:
        """Time has passed. Call it every 0.25 s while connected."""
        self.lapsed(now)
        if self.pulls.silent(now):
            self.pulls.forget()
            self.restart(now)
        if self.awaiting and self._reset_due:
            self._reset(now)
        if self.pin is None and self._worried:
            self._look(now)
