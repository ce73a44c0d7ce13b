"""The record of the memory backend, and how it is read."""

from operator import attrgetter

import attrs

from partita.core.ports import Headers


@attrs.define(eq=False)
class MemoryRecord:
    """A stored message; *timestamp* is in milliseconds since 1970."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def size(self) -> int:
        """Bytes of key and value."""
        return len(self.key or b"") + len(self.value or b"")


class MemoryReader:
    """Reads `MemoryRecord`; each function is the attribute itself."""

    record_type = "partita.backends.memory.records.MemoryRecord"
    topic = staticmethod(attrgetter("topic"))
    partition = staticmethod(attrgetter("partition"))
    offset = staticmethod(attrgetter("offset"))
    timestamp = staticmethod(attrgetter("timestamp"))
    key = staticmethod(attrgetter("key"))
    value = staticmethod(attrgetter("value"))
    headers = staticmethod(attrgetter("headers"))
