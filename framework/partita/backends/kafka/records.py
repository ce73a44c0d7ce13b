"""How aiokafka's own record is read. Nothing is converted but headers that are null."""

from operator import attrgetter
from typing import Any

from partita.core.ports import Headers


def _headers(record: Any) -> Headers:
    """Kafka's header values may be null, which no header of ours is: such a one reads as empty."""
    headers: Headers = record.headers
    return tuple((name, value or b"") for name, value in headers)


class KafkaReader:
    """Reads `aiokafka.structs.ConsumerRecord`; keys and values are the bytes that the broker keeps."""

    record_type = "aiokafka.structs.ConsumerRecord"
    topic = staticmethod(attrgetter("topic"))
    partition = staticmethod(attrgetter("partition"))
    offset = staticmethod(attrgetter("offset"))
    timestamp = staticmethod(attrgetter("timestamp"))
    key = staticmethod(attrgetter("key"))
    value = staticmethod(attrgetter("value"))
    headers = staticmethod(_headers)
