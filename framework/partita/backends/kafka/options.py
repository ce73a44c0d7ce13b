"""What may be said about aiokafka's clients, read from the signatures of those that are installed."""

import inspect
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, codec
from aiokafka.abc import AbstractTokenProvider
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

from partita.backends.kafka.assignors import ASSIGNORS
from partita.backends.kafka.decompression import UnpackLimits
from partita.backends.kafka.security import FILES, MECHANISMS, OWN_OPTIONS, PROTOCOLS, SECRETS
from partita.core.client_options import Rules
from partita.core.option_types import (
    OptionType,
    any_of,
    choice,
    is_function,
    only,
    secret,
    switch,
    text,
    thing,
    whole,
)

PARAMETERS: Mapping[str, Mapping[str, inspect.Parameter]] = {
    name: inspect.signature(client).parameters
    for name, client in (
        ("consumer", AIOKafkaConsumer),
        ("producer", AIOKafkaProducer),
        ("admin", AIOKafkaAdminClient),
    )
}
ASSIGNOR = "partition_assignment_strategy"
# The text of an address says "-1" for what the client calls -1 and "all".
_ACKS: Mapping[str, object] = {"all": "all", "-1": "all", "1": 1, "0": 0}

_COMMITS = "an offset is committed when its message is handled, and only then"
_RAW = "messages stay bytes until their handler takes them; decode there"
_TRANSACTION = "transactions have ids of their own"
# Options of a member that are ours, with their defaults: how records are made of what was fetched.
READER: Mapping[str, object] = {
    "record_reader": "lazy",
    "unpacked_batch_bytes": UnpackLimits().bytes,
    "unpacked_batch_ratio": UnpackLimits().ratio,
}
# Each would break a promise, or is said in another place.
REFUSED: Mapping[str, str] = {
    "topics": "topics are the router's",
    "bootstrap_servers": "the servers are the hosts of the address",
    "group_id": "the group is given with the subscription or the run",
    "auto_offset_reset": "give start= on the route",
    "enable_auto_commit": _COMMITS,
    "auto_commit_interval_ms": _COMMITS,
    "key_deserializer": _RAW,
    "value_deserializer": _RAW,
    "key_serializer": "a key is bytes; encode it where the message is published",
    "value_serializer": "a value is bytes, or of a class with a codec; encode others where you publish them",
    "consumer_timeout_ms": "it shapes the client's inner loop, which the health of a worker rests on",
    "linger_ms": "a batch is sent as soon as the broker can take it and never waits for more",
    "loop": "the clients run on the loop that opens the bus",
    "api_version": "the client has no use for it any more",
    "transactional_id": _TRANSACTION,
    "transaction_timeout_ms": _TRANSACTION,
}


def _compressed(value: object) -> object:
    """Raises ValueError when messages cannot be compressed like that here."""
    if value is not None and not getattr(codec, f"has_{value}")():
        raise ValueError(f"compression_type={value} needs a library: pip install 'partita[codecs]'")
    return value


def _assignor(value: object) -> object:
    """The one name or class. Raises ValueError for the class whose memory two consumers would share."""
    found = only(value)
    if found is StickyPartitionAssignor:
        raise ValueError(
            f"the option {ASSIGNOR!r}: two consumers in one process overwrite each other's memory with the "
            "client's sticky assignor; give 'sticky', which is the same without that"
        )
    return found


def _is_assignor(value: object) -> bool:
    found = only(value)
    if isinstance(found, str):
        return found in ASSIGNORS
    return isinstance(found, type) and issubclass(found, AbstractPartitionAssignor)


def _assignors() -> OptionType:
    told = (
        f"one of {', '.join(ASSIGNORS)}, or one class of an assignor (with several the client joins the "
        "group once for each of them at every rebalance)"
    )
    return OptionType(told, _is_assignor, str, _assignor)


_FILES = (*FILES, *(f"{name}_file" for name in SECRETS))
_FUNCTION = "a function, which an address cannot hold"
# Those whose default does not tell, or that take less than its type would.
_TYPES: Mapping[str, OptionType] = {
    "acks": choice(_ACKS),
    "compression_type": choice(
        {"none": None, "gzip": "gzip", "snappy": "snappy", "lz4": "lz4", "zstd": "zstd"}, _compressed
    ),
    "isolation_level": choice({name: name for name in ("read_committed", "read_uncommitted")}),
    "security_protocol": choice({name: name for name in PROTOCOLS}),
    "sasl_mechanism": choice({name: name for name in MECHANISMS}),
    ASSIGNOR: _assignors(),
    "rebalance_timeout_ms": whole(),
    "max_poll_records": whole(none=True),
    "connections_max_idle_ms": whole(none=True),
    "partitioner": thing(f"{_FUNCTION}: of key, all partitions and those that have a leader", callable),
    "ssl_context": thing(
        "an ssl.SSLContext, which an address cannot hold", lambda value: isinstance(value, ssl.SSLContext)
    ),
    "sasl_oauth_token_provider": thing(
        "a function, or a token provider of aiokafka, which an address cannot hold",
        lambda value: isinstance(value, AbstractTokenProvider) or is_function(value),
    ),
    "allow_insecure": switch(),
    "record_reader": choice({name: name for name in ("lazy", "client")}),
    "unpacked_batch_bytes": whole(),
    "unpacked_batch_ratio": whole(),
    **{name: secret() for name in SECRETS},
    **{name: any_of(text(), thing("a Path", lambda value: isinstance(value, Path))) for name in _FILES},
}


def type_of(name: str) -> OptionType:
    """What an option takes: as is written here, else as its default in the client's signature is."""
    if (known := _TYPES.get(name)) is not None:
        return known
    default: Any = next(each[name].default for each in PARAMETERS.values() if name in each)
    if isinstance(default, bool):
        return switch()
    return whole() if isinstance(default, int) else text()


_OURS = {"consumer": (*OWN_OPTIONS, *READER)}
RULES = Rules(
    "Kafka's client",
    {name: (*each, *_OURS.get(name, OWN_OPTIONS)) for name, each in PARAMETERS.items()},
    type_of,
    REFUSED,
)
