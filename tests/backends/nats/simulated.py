"""
A server's consumer in memory, with a network that loses what is on its way.

It does what nats-server 2.15.1 was seen to do with a pinned consumer and `ack_policy: all`.
"""

from collections import deque
from itertools import count
from typing import NamedTuple

import attrs

from partita.backends.nats.lane import Lane, Look, Reset
from partita.backends.nats.pulls import OpenPulls, Pull
from partita.backends.nats.statuses import Status

PIN_TIMEOUT = 10.0
WRONG_PIN = Status(423, "Nats-Pin-Id mismatch")


class Said(NamedTuple):
    """A status on its way."""

    token: int
    status: Status


class Delivered(NamedTuple):
    """A message on its way."""

    pin: str
    offset: int
    delivery: int


@attrs.define(eq=False)
class Client:
    """A member: its lane, the wire to it, and what it was handed."""

    lane: Lane = attrs.field(factory=lambda: Lane(OpenPulls(2**20, PIN_TIMEOUT)))
    wire: deque[Said | Delivered] = attrs.field(factory=deque)
    taken: list[list[int]] = attrs.field(factory=list)
    frozen: bool = False


@attrs.define(eq=False)
class Broker:
    """The server's side of one partition."""

    clients: list[Client]
    now: float = 0.0
    last: int = 0
    floor: int = 0
    sent: int = 0
    delivery: int = 0
    pin: str | None = None
    pinned_at: float = 0.0
    # Somebody reset the consumer who does not own it. A message that then disappears on a connection that
    # stays up may have the number that its owner waits for next; the two together are not survived.
    disturbed: bool = False
    pulls: list[tuple[Client, Pull]] = attrs.field(factory=list)
    _pins: "count[int]" = attrs.field(factory=count)

    def advance(self, seconds: float) -> None:
        """Time passes: pins and pulls run out, and heartbeats are sent."""
        self.now += seconds
        if self.pin is not None and self.now - self.pinned_at > PIN_TIMEOUT:
            self.pin = None
        for client, pull in self.pulls:
            client.wire.append(Said(pull.token, Status(100, "Idle Heartbeat", self.delivery)))
        for client, pull in self.pulls:
            client.wire.append(Said(pull.token, Status(408, "Request Timeout")))
        self.pulls.clear()

    def ask(self, client: Client, action: object) -> None:
        """A member's request arrives."""
        if isinstance(action, Reset):
            self.disturbed = self.disturbed or client.lane.pin != self.pin
            self.sent, self.delivery = self.floor, 0
            client.lane.reset_done()
        elif isinstance(action, Look):
            unacknowledged, pending = self.sent - self.floor, self.last - self.sent
            client.lane.looked(self.pin is not None, unacknowledged, pending, self.now)
        elif isinstance(action, Pull):
            if action.pin is not None and action.pin != self.pin:
                client.wire.append(Said(action.token, WRONG_PIN))
                return
            if action.pin is not None:
                self.pinned_at = self.now
            if action.holds:
                client.wire.append(Said(action.token, Status(409, "Message Size Exceeds MaxBytes")))
                return
            self.pulls.append((client, action))

    def deliver(self) -> None:
        """Send the next message to whoever has the pin, or gets it now."""
        for client, pull in self.pulls:
            if self.sent < self.last and (self.pin is None or self.pin == pull.pin):
                if self.pin is None:
                    self.pin, self.pinned_at = f"pin{next(self._pins)}", self.now
                self.sent, self.delivery = self.sent + 1, self.delivery + 1
                client.wire.append(Delivered(self.pin, self.sent, self.delivery))
                return

    def acknowledge(self, offset: int) -> None:
        """An ack that was sent under the present numbering arrives."""
        if self.floor < offset <= self.sent:
            self.floor = offset

    def cut(self, client: Client) -> None:
        """A member's connection breaks and comes back: all on its way is gone."""
        client.wire.clear()
        self.pulls = [(other, pull) for other, pull in self.pulls if other is not client]
        client.lane.reconnected(self.now)


def serve(broker: Broker, client: Client, limit: int = 1_000_000) -> None:
    """Let a member read its wire, take its messages over and send what it wants to send."""
    if client.frozen:
        return
    for _ in range(min(limit, len(client.wire))):
        arrived = client.wire.popleft()
        if isinstance(arrived, Said):
            client.lane.status(arrived.token, arrived.status, broker.now)
        else:
            read(broker, client, arrived)
    client.lane.tick(broker.now)
    for action in client.lane.take_actions(broker.now):
        broker.ask(client, action)


def read(broker: Broker, client: Client, message: Delivered) -> None:
    """One message arrives at a member."""
    lane = client.lane
    assigned = len([event for event in lane.events if event.name == "ASSIGNED"])
    offset = message.offset
    taken = lane.delivered(message.pin, offset, message.delivery, broker.now)
    if len([event for event in lane.events if event.name == "ASSIGNED"]) > assigned:
        client.taken.append([])
    if lane.pin is not None and not lane.awaiting:
        lane.deliveries.add(offset, f"reply{offset}")
    if taken:
        client.taken[-1].append(offset)
        lane.buffer.append(offset)
        lane.buffered += 1
