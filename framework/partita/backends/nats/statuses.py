"""What the server says on a pull's inbox beside messages."""

from collections.abc import Mapping
from enum import Enum, auto

import attrs


class Meaning(Enum):
    """What a status asks for."""

    BEAT = auto()
    """The pull is alive and there is nothing to deliver."""
    OVER = auto()
    """The pull has ended as it should; send another one."""
    LATER = auto()
    """The pull was not taken just now; send another one after a while."""
    GONE = auto()
    """Nobody listens for pulls: the consumer, its stream or its leader is gone. Ask which."""
    WRONG_PIN = auto()
    """Another member has the partition."""
    FAILED = auto()
    """It will not get better by asking again."""


@attrs.frozen
class Status:
    """
    A status message.

    Args:
        code: the number, as HTTP has them.
        description: the server's words.
        last_delivery: in a heartbeat, the number of the consumer's latest delivery to anybody.
    """

    code: int
    description: str
    last_delivery: int | None = None

    @property
    def meaning(self) -> Meaning:
        """What it asks for."""
        if self.code == 409:
            return _conflict(self.description)
        return _BY_CODE.get(self.code, Meaning.FAILED)


_BY_CODE = {
    100: Meaning.BEAT,
    404: Meaning.OVER,
    408: Meaning.OVER,
    423: Meaning.WRONG_PIN,
    503: Meaning.GONE,
}
# The words of nats-server 2.15.1, compared without regard to case.
_OVER = ("message size exceeds maxbytes", "batch completed")
_FAILED = ("consumer deleted", "consumer is push based", "exceeded maxrequest")


def _conflict(description: str) -> Meaning:
    words = description.lower()
    if words.startswith(_OVER):
        return Meaning.OVER
    return Meaning.FAILED if words.startswith(_FAILED) else Meaning.LATER


def status_of(headers: Mapping[str, str] | None, size: int) -> Status | None:
    """The status that a message with these headers and *size* bytes is, or None when it is a message."""
    if size or not headers or "Status" not in headers or "Nats-Pin-Id" in headers:
        return None
    code, last = headers["Status"], headers.get("Nats-Last-Consumer", "")
    return Status(
        int(code) if code.isdigit() else 0,
        headers.get("Description", "").strip(),
        int(last) if last.isdigit() else None,
    )
