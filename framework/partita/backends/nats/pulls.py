"""
The pulls that are open at the server for one partition.

A pull of one byte is answered with a 409 at once when there is a message, delivers nothing, and still
renews the pin (seen on nats-server 2.15.1): so a member whose buffer is full holds its partition.
"""

from itertools import count

import attrs

EXPIRES = 5.0
HEARTBEAT = 1.0
MISSED_HEARTBEATS = 2.5
BUFFER_BYTES = 4 * 1024 * 1024
HOLD_EVERY = 1.0


@attrs.frozen
class Pull:
    """
    Send a pull.

    Args:
        token: names it in its status.
        pin: the pin id, if this member has one.
        max_bytes: how much it may bring; 1 only holds the pin.
        expires: seconds after which the server ends it.
    """

    token: int
    pin: str | None
    max_bytes: int
    expires: float

    @property
    def holds(self) -> bool:
        """Whether it is there for the pin alone."""
        return self.max_bytes == 1

    @property
    def heartbeat(self) -> float:
        """Seconds between heartbeats; the server takes at most half of the whole time."""
        return min(HEARTBEAT, self.expires / 2)

    @property
    def request(self) -> dict[str, object]:
        """The body of the request, but for the priority group; the server's times are nanoseconds."""
        body: dict[str, object] = {
            "batch": 1 if self.holds else 1_000_000,
            "max_bytes": self.max_bytes,
            "expires": int(self.expires * 1e9),
        }
        if not self.holds:
            body["idle_heartbeat"] = int(self.heartbeat * 1e9)
        if self.pin is not None:
            body["id"] = self.pin
        return body


@attrs.define(eq=False)
class OpenPulls:
    """
    Which pulls are open, and which are due.

    Args:
        pull_bytes: how much one pull may bring; above the largest message.
        pin_timeout: seconds without a pull after which the server frees a pin.
    """

    pull_bytes: int
    pin_timeout: float
    renewed_at: float = attrs.field(default=0.0, init=False)
    heard_at: float = attrs.field(default=0.0, init=False)
    _until: dict[int, tuple[Pull, float]] = attrs.field(factory=dict, init=False)
    _tokens: "count[int]" = attrs.field(factory=lambda: count(1), init=False)

    def __len__(self) -> int:
        return len(self._until)

    @property
    def expires(self) -> float:
        """How long a pull stays open: short enough that the next one renews the pin in time."""
        return min(EXPIRES, self.pin_timeout / 2)

    def due(self, pin: str | None, buffered: int, now: float) -> list[Pull]:
        """
        The pulls to send now: two for an owner with room, one of a byte without, one for a standby.

        Args:
            pin: our pin id, or None.
            buffered: bytes that have come and were not handed on.
            now: seconds of a monotonic clock.
        """
        pulls = []
        wanted = 2 if pin is not None else 1
        while len(self) < wanted and self._room(buffered):
            pulls.append(self._add(pin, self.pull_bytes, self.expires, now))
        hold_every = min(HOLD_EVERY, self.pin_timeout / 4)
        if pin is not None and not self._until and now - self.renewed_at >= hold_every:
            pulls.append(self._add(pin, 1, hold_every, now))
        return pulls

    def _room(self, buffered: int) -> bool:
        # With an empty buffer one pull is always open, however large the server's messages may be.
        return buffered + (len(self) + 1) * self.pull_bytes <= max(BUFFER_BYTES, self.pull_bytes)

    def _add(self, pin: str | None, max_bytes: int, expires: float, now: float) -> Pull:
        if not self._beating():
            self.heard_at = now
        pull = Pull(next(self._tokens), pin, max_bytes, expires)
        # The server's own end of a pull comes first, unless it is lost.
        self._until[pull.token] = pull, now + expires + HEARTBEAT
        if pin is not None:
            self.renewed_at = now
        return pull

    def _beating(self) -> bool:
        return any(not pull.holds for pull, _ in self._until.values())

    def ended(self, token: int) -> Pull | None:
        """A pull is over; None when it was forgotten before."""
        found = self._until.pop(token, None)
        return found[0] if found is not None else None

    def forget(self) -> None:
        """None is open any more, or none counts."""
        self._until.clear()

    def silent(self, now: float) -> bool:
        """Whether the server owes us two heartbeats; also forgets pulls whose end was not told."""
        for token, (_, until) in list(self._until.items()):
            if until < now:
                del self._until[token]
        return self._beating() and now - self.heard_at > MISSED_HEARTBEATS * HEARTBEAT
