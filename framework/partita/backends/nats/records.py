"""
Reading the client's own messages.

A message from JetStream carries its place in its reply subject: `$JS.ACK.<stream>.<consumer>.<delivered>.
<stream sequence>.<consumer sequence>.<nanoseconds>.<pending>`, with domain and account hash before the
stream in the longer form. The offset is the stream sequence.
"""

from typing import NamedTuple

from nats.aio.msg import Msg

from partita.backends.nats import headers as wire
from partita.backends.nats.names import partition_of, topic_of
from partita.core.ports import Headers

_SHORT = 9


class Place(NamedTuple):
    """Where a delivered message stands: in its stream, among the consumer's deliveries, and in time."""

    offset: int
    delivery: int
    nanoseconds: int


def place(reply: str) -> Place:
    """
    What a delivered message's reply subject says.

    Raises:
        ValueError: it is not the reply subject of a delivered message.
    """
    tokens = reply.split(".")
    at = 5 if len(tokens) == _SHORT else 7
    if len(tokens) < at + 3:
        raise ValueError("this message was not delivered by a JetStream consumer")
    return Place(int(tokens[at]), int(tokens[at + 1]), int(tokens[at + 2]))


def _msg(record: object) -> Msg:
    assert isinstance(record, Msg)  # a reader is only given what this backend's fetches hold
    return record


def _topic(record: object) -> str:
    return topic_of(_msg(record).subject)


def _partition(record: object) -> int:
    return partition_of(_msg(record).subject)


def _offset(record: object) -> int:
    return place(_msg(record).reply).offset


def _timestamp(record: object) -> int:
    return place(_msg(record).reply).nanoseconds // 1_000_000


def _key(record: object) -> bytes | None:
    headers = _msg(record).headers
    return wire.key_of(headers) if headers else None


def _value(record: object) -> bytes | None:
    message = _msg(record)
    if message.headers and wire.NULL in message.headers:
        return None
    return message.data


def _headers(record: object) -> Headers:
    headers = _msg(record).headers
    return wire.decode(headers) if headers else ()


class NatsReader:
    """Reads `nats.aio.msg.Msg`."""

    record_type = "nats.aio.msg.Msg"
    topic = staticmethod(_topic)
    partition = staticmethod(_partition)
    offset = staticmethod(_offset)
    timestamp = staticmethod(_timestamp)
    key = staticmethod(_key)
    value = staticmethod(_value)
    headers = staticmethod(_headers)
