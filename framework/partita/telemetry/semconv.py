"""
Every span name, attribute name and header name that Partita emits.

The messaging conventions of OpenTelemetry are still in development, so one version of them is pinned:
a change of names is a change of this file and of `SCHEMA_URL`. NATS and memory are not in the standard;
their names follow its shape. A key, a payload or a header's content is never an attribute.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
SCOPE = "partita"

SYSTEM = "messaging.system"
OPERATION_NAME = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
DESTINATION = "messaging.destination.name"
PARTITION = "messaging.destination.partition.id"
GROUP = "messaging.consumer.group.name"
TOMBSTONE = "messaging.kafka.message.tombstone"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
ERROR_TYPE = "error.type"
BATCH_COUNT = "messaging.batch.message_count"
ATTEMPT = "partita.attempt"
DEAD_LETTER = "partita.dead_letter"
WAITED_EVENT = "partita.waited"
WAITED_SECONDS = "partita.waited.seconds"
EXCEPTION_EVENT = "exception"
EXCEPTION_TYPE = "exception.type"

KAFKA_OFFSET = "messaging.kafka.offset"
NATS_SEQUENCE = "messaging.nats.sequence"
OTHER_OFFSET = "partita.offset"

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
BAGGAGE = "baggage"

SEND = "send"
PROCESS = "process"

_OFFSETS = {"kafka": KAFKA_OFFSET, "nats": NATS_SEQUENCE}
_KAFKA_ERROR = re.compile("[A-Z][A-Z0-9_]+")


def span_name(operation: str, destination: str) -> str:
    """The name of a span: the operation first, such as "process orders"."""
    return f"{operation} {destination}"


def send_operation(system: str) -> str:
    """What sending is called on a system: "send" on Kafka, "publish" elsewhere."""
    return "send" if system == "kafka" else "publish"


def offset_name(system: str) -> str:
    """The attribute for the place in a partition: an offset, or on NATS the stream sequence."""
    return _OFFSETS.get(system, OTHER_OFFSET)


def error_type(error: BaseException) -> str:
    """
    The value of `error.type`: low in cardinality, never the error's text.

    The protocol's name of an error that a Kafka broker answered, such as NOT_ENOUGH_REPLICAS, else the
    dotted name of the class, without a module for built-in ones.
    """
    kind = type(error)
    answered = isinstance(getattr(kind, "errno", None), int)
    name = str(getattr(kind, "message", "")) if answered else ""
    if _KAFKA_ERROR.fullmatch(name):
        return name
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def server_attributes(system: str, address: str) -> Mapping[str, str | int]:
    """
    Host and port of *address*, a URL. Nothing for memory, and nothing where several servers are
    listed, since it is not known which one a message goes to.
    """
    if system == "memory" or "," in address:
        return {}
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        # A host that no URL can hold says nothing about the server; the spans go without.
        return {}
    found: dict[str, str | int] = {}
    if host is not None:
        found[SERVER_ADDRESS] = host
    if port is not None:
        found[SERVER_PORT] = port
    return found
