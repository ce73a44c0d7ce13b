"""Dead letters for tests, made by the function that workers use, of messages that never were."""

import attrs

from partita import Outgoing
from partita.core.dead_letters import Death, dead_letter
from partita.core.ports import Headers


@attrs.frozen
class Record:
    """A client's record."""

    value: bytes | None = b"v"
    key: bytes | None = b"k"
    headers: Headers = ()
    topic: str = "orders"
    partition: int = 3
    offset: int = 17
    timestamp: int = 1_700_000_000_000


def _record(record: object) -> Record:
    assert isinstance(record, Record)
    return record


class Reader:
    """Reads `Record`."""

    record_type = "tests.letters.Record"

    def topic(self, record: object, /) -> str:
        return _record(record).topic

    def partition(self, record: object, /) -> int:
        return _record(record).partition

    def offset(self, record: object, /) -> int:
        return _record(record).offset

    def timestamp(self, record: object, /) -> int:
        return _record(record).timestamp

    def key(self, record: object, /) -> bytes | None:
        return _record(record).key

    def value(self, record: object, /) -> bytes | None:
        return _record(record).value

    def headers(self, record: object, /) -> Headers:
        return _record(record).headers


DEATH = Death("charge", "billing", 5, ValueError("a"), KeyError("b"))


def letter_of(record: Record, death: Death = DEATH) -> Outgoing:
    """The dead letter of a record."""
    return dead_letter(record, Reader(), death)


def letter(
    value: bytes, key: bytes | None = None, handler: str = "charge", topic: str = "orders"
) -> Outgoing:
    """The dead letter of a message with a header of its own."""
    record = Record(value, key, [("own", b"1")], topic)
    return letter_of(record, attrs.evolve(DEATH, handler=handler))
