"""The options of the address, and what each of aiokafka's clients is given."""

import inspect
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, codec
from aiokafka.admin import AIOKafkaAdminClient

from partita.backends.kafka.assignors import ASSIGNORS
from partita.backends.kafka.security import OWN_OPTIONS, SECRETS, Security, security_of
from partita.core.errors import SettingsError
from partita.core.ports import Membership
from partita.core.secrets import Secret
from partita.core.settings import nearest

_PARAMETERS: Mapping[type, Mapping[str, inspect.Parameter]] = {
    client: inspect.signature(client).parameters
    for client in (AIOKafkaConsumer, AIOKafkaProducer, AIOKafkaAdminClient)
}

_BYTES_ONLY = "messages stay bytes until their handler takes them; decode there"
_FUNCTION = "it takes an object of the client, which an address cannot hold"
_COMMITS = "an offset is committed when its message is handled, and only then"
_TRANSACTION = "transactions cannot be had by address"

# Each would break a promise, or cannot be said in text.
REFUSED: Mapping[str, str] = {
    "topics": "topics are the router's",
    "bootstrap_servers": "the servers are the hosts of the address",
    "group_id": "the group is given with the subscription or the run",
    "auto_offset_reset": "give start= on the route",
    "enable_auto_commit": _COMMITS,
    "auto_commit_interval_ms": _COMMITS,
    "key_deserializer": _BYTES_ONLY,
    "value_deserializer": _BYTES_ONLY,
    "key_serializer": _BYTES_ONLY,
    "value_serializer": _BYTES_ONLY,
    "consumer_timeout_ms": "it shapes the client's inner loop, which the health of a worker rests on",
    "linger_ms": "a batch is sent as soon as the broker can take it and never waits for more",
    "partitioner": _FUNCTION,
    "ssl_context": _FUNCTION,
    "sasl_oauth_token_provider": _FUNCTION,
    "loop": _FUNCTION,
    "api_version": "the client has no use for it any more",
    "transactional_id": _TRANSACTION,
    "transaction_timeout_ms": _TRANSACTION,
}

_ASSIGNOR = "partition_assignment_strategy"
_CHOICES: Mapping[str, Mapping[str, object]] = {
    "acks": {"all": "all", "-1": "all", "1": 1, "0": 0},
    "compression_type": {"none": None, "gzip": "gzip", "snappy": "snappy", "lz4": "lz4", "zstd": "zstd"},
    "isolation_level": {name: name for name in ("read_committed", "read_uncommitted")},
    "security_protocol": {n: n for n in ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")},
    _ASSIGNOR: {name: name for name in ASSIGNORS},
}
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_NUMBERS = ("rebalance_timeout_ms", "max_poll_records")  # whole numbers whose default is None
_NONE_ALLOWED = ("connections_max_idle_ms", "max_poll_records")

_CONSUMER = {
    "session_timeout_ms": 45_000,
    "heartbeat_interval_ms": 3_000,
    "rebalance_timeout_ms": 60_000,
    "max_poll_interval_ms": 300_000,
    "metadata_max_age_ms": 30_000,
    "request_timeout_ms": 15_000,
    # Aborted messages reach no handler; messages outside transactions are read as ever.
    "isolation_level": "read_committed",
    _ASSIGNOR: "sticky",
}
_PRODUCER = {
    "acks": "all",
    "enable_idempotence": True,
    "max_batch_size": 262_144,
    "metadata_max_age_ms": 30_000,
    "request_timeout_ms": 30_000,
}
_ADMIN = {"metadata_max_age_ms": 30_000, "request_timeout_ms": 15_000}


@attrs.frozen
class Deadlines:
    """
    How long to wait for a client, in seconds.

    Args:
        start: connecting to one server.
        close: stopping in good order; afterwards sockets are closed by force.
        request: an answer to a commit or to an admin request.
        delivery: the acknowledgement of a batch, and the time that a message may wait for its turn.
        assignment: the first assignment, or the end of a rebalance.
        limit: for so long a topic's largest message is taken to be what the broker last said.
    """

    start: float = 15.0
    close: float = 10.0
    request: float = 10.0
    delivery: float = 60.0
    assignment: float = 60.0
    limit: float = 30.0


@attrs.frozen
class KafkaSettings:
    """
    Servers and options, checked and converted. Its repr shows no option's value: some are secrets.

    Args:
        servers: `host:port` of each broker to begin with.
        options: the client options that were given.
        deadlines: how long each kind of wait may take.
        buffer_bytes: messages that are not acknowledged yet, in bytes; above it `publish` waits and `send`
            refuses.
        security: what connections are made with.
    """

    servers: tuple[str, ...]
    options: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    deadlines: Deadlines = Deadlines()
    buffer_bytes: int = 32 * 2**20
    security: Security = attrs.field(
        repr=False,
        default=attrs.Factory(lambda made: security_of(made.options, made.servers), takes_self=True),
    )

    @property
    def address(self) -> str:
        """The servers as a URL."""
        return f"kafka://{','.join(self.servers)}"

    @property
    def start_seconds(self) -> float:
        """How long connecting may take: the clients try one server after the other."""
        patience = float(self.producer()["request_timeout_ms"]) / 1000
        return self.deadlines.start + patience * (len(self.servers) - 1)

    @property
    def instance(self) -> str | None:
        """The `group_instance_id`: who has one keeps its place in the group over a quick restart."""
        return self.options.get("group_instance_id")

    @property
    def rebalance_seconds(self) -> float:
        """After how long the broker throws out a member that has not given its partitions up."""
        return float(self._for(AIOKafkaConsumer, _CONSUMER)["rebalance_timeout_ms"]) / 1000

    def consumer(self, membership: Membership) -> dict[str, Any]:
        """What `AIOKafkaConsumer` is given for a membership."""
        given = {"client_id": membership.name, **self._for(AIOKafkaConsumer, _CONSUMER)}
        return {
            **given,
            "group_id": membership.group,
            "auto_offset_reset": membership.start,
            "enable_auto_commit": False,
            _ASSIGNOR: (ASSIGNORS[given[_ASSIGNOR]](),),
        }

    def producer(self) -> dict[str, Any]:
        """What `AIOKafkaProducer` is given."""
        return self._for(AIOKafkaProducer, _PRODUCER)

    def admin(self) -> dict[str, Any]:
        """What `AIOKafkaAdminClient` is given."""
        return self._for(AIOKafkaAdminClient, _ADMIN)

    def _for(self, client: type, defaults: Mapping[str, Any]) -> dict[str, Any]:
        known = _PARAMETERS[client]
        given = {name: value for name, value in self.options.items() if name in known}
        if self.options.get("acks", "all") != "all":
            defaults = {**defaults, "enable_idempotence": False}
        given = {**defaults, **given, **self.security.client_options()}
        given["bootstrap_servers"] = list(self.servers)
        return {name: value for name, value in given.items() if name in known}


def kafka_settings(
    address: str, options: Mapping[str, str], deadlines: Deadlines = Deadlines()
) -> KafkaSettings:
    """
    Check an address and its options, which are still text.

    Raises:
        SettingsError: with the name of what cannot be used; a secret's value is in no message.
    """
    converted = {name: _option(name, text) for name, text in options.items()}
    settings = KafkaSettings(_servers(address), converted, deadlines)
    if problem := _impossible(settings):
        raise SettingsError(problem)
    return settings


def _servers(address: str) -> tuple[str, ...]:
    place = urlsplit(address)
    if "@" in place.netloc:
        raise SettingsError(
            "the address of a Kafka bus holds no user or password; give the options "
            "sasl_plain_username and sasl_plain_password"
        )
    if place.path.strip("/") or place.fragment:
        raise SettingsError("the address of a Kafka bus is kafka://HOST:PORT[,HOST:PORT] and no more")
    return tuple(_server(host) for host in place.netloc.split(","))


def _server(host: str) -> str:
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        name, port = host, "9092"
    if not name or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise SettingsError(
            f"{host!r} is no broker's address; write kafka://HOST:PORT, for example kafka://127.0.0.1:9092"
        )
    return f"{name}:{port}"


def _option(name: str, text: str) -> object:
    if reason := REFUSED.get(name):
        raise SettingsError(f"the option {name!r} cannot be set in an address: {reason}")
    if name in SECRETS:
        return Secret(text)
    if name in OWN_OPTIONS:
        return _chosen(name, _TRUTH, text.lower()) if name == "allow_insecure" else text
    for parameters in _PARAMETERS.values():
        if name in parameters:
            return _converted(name, parameters[name].default, text)
    known = {each for parameters in _PARAMETERS.values() for each in parameters} - REFUSED.keys()
    known |= set(OWN_OPTIONS)
    raise SettingsError(f"Kafka's client has no option {name!r}; {nearest(name, known)}")


def _converted(name: str, default: object, text: str) -> object:
    """*text* as the type of the parameter's default."""
    if choices := _CHOICES.get(name):
        return _chosen(name, choices, text)
    if name in _NONE_ALLOWED and text.lower() == "none":
        return None
    if isinstance(default, bool):
        return _chosen(name, _TRUTH, text.lower())
    if isinstance(default, int) or name in _NUMBERS:
        return _whole(name, text)
    return text


def _chosen(name: str, choices: Mapping[str, object], text: str) -> object:
    if name == _ASSIGNOR and "," in text:
        raise SettingsError(
            f"the option {name!r} is one of {', '.join(choices)}: with several the client joins the group "
            "once for each of them at every rebalance"
        )
    if text not in choices:
        raise SettingsError(f"the option {name!r} is one of {', '.join(choices)}, not {text!r}")
    if name == "compression_type" and text != "none" and not getattr(codec, f"has_{text}")():
        raise SettingsError(f"{name}={text} needs a library: pip install 'partita[codecs]'")
    return choices[text]


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise SettingsError(f"the option {name!r} is a whole number from 0, not {text!r}")
    return int(text)


def _impossible(settings: KafkaSettings) -> str | None:
    """Why two of the options cannot hold together; None when all can."""
    given = {**_CONSUMER, "fetch_max_wait_ms": 500, **settings.options}
    if given["heartbeat_interval_ms"] >= given["session_timeout_ms"]:
        return "heartbeat_interval_ms must be below session_timeout_ms, at best a third of it"
    if given["request_timeout_ms"] <= given["fetch_max_wait_ms"]:
        return "request_timeout_ms must be above fetch_max_wait_ms, which a fetch may take"
    if given.get("acks", "all") != "all" and given.get("enable_idempotence"):
        return "enable_idempotence=true needs acks=all"
    return None
