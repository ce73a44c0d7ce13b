"""How aiokafka's own record is read. Nothing is converted: each function is the attribute itself."""

from operator import attrgetter


class KafkaReader:
    """Reads `aiokafka.structs.ConsumerRecord`; keys and values are the bytes that the broker keeps."""

    record_type = "aiokafka.structs.ConsumerRecord"
    topic = staticmethod(attrgetter("topic"))
    partition = staticmethod(attrgetter("partition"))
    offset = staticmethod(attrgetter("offset"))
    timestamp = staticmethod(attrgetter("timestamp"))
    key = staticmethod(attrgetter("key"))
    value = staticmethod(attrgetter("value"))
    headers = staticmethod(attrgetter("headers"))
