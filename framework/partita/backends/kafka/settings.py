"""The servers of an address, and what each of aiokafka's clients is given."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import attrs

from partita.backends.kafka.assignors import ASSIGNORS
from partita.backends.kafka.decompression import UnpackLimits
from partita.backends.kafka.options import ASSIGNOR, PARAMETERS, READER, RULES
from partita.backends.kafka.security import Security, is_of_security, security_of
from partita.core.client_options import (
    ADDRESS,
    ClientOption,
    ReadOptions,
    Table,
    masked,
    read_options,
    refuse,
    without_counterparts,
)
from partita.core.client_settings import KafkaSettings
from partita.core.errors import SettingsError
from partita.core.ports import Membership
from partita.core.secrets import MASK

_CONSUMER = {
    "session_timeout_ms": 45_000,
    "heartbeat_interval_ms": 3_000,
    "rebalance_timeout_ms": 60_000,
    "max_poll_interval_ms": 300_000,
    "metadata_max_age_ms": 30_000,
    "request_timeout_ms": 15_000,
    # Half of the client's own: as fast, with less memory (docs/explanation/why-no-conversion.md).
    "max_partition_fetch_bytes": 512 * 1024,
    # Aborted messages reach no handler; messages outside transactions are read as ever.
    "isolation_level": "read_committed",
    ASSIGNOR: "sticky",
}
_PRODUCER = {
    "acks": "all",
    "enable_idempotence": True,
    "max_batch_size": 262_144,
    "metadata_max_age_ms": 30_000,
    "request_timeout_ms": 30_000,
}
_ADMIN = {"metadata_max_age_ms": 30_000, "request_timeout_ms": 15_000}
DEFAULTS: Mapping[str, Mapping[str, object]] = {"consumer": _CONSUMER, "producer": _PRODUCER, "admin": _ADMIN}


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
class KafkaSetup:
    """
    Servers and options of one bus, checked and converted. Its repr shows no option's value: some are secrets.

    Args:
        servers: `host:port` of each broker to begin with.
        given: the options that were given, by client.
        origins: where each of them was given.
        deadlines: how long each kind of wait may take.
        security: what connections are made with.
        buffer_bytes: messages that are not acknowledged yet, in bytes; above it `publish` waits and `send`
            refuses.
    """

    servers: tuple[str, ...]
    given: Mapping[str, Mapping[str, Any]] = attrs.field(repr=False)
    origins: Mapping[str, Mapping[str, str]] = attrs.field(repr=False)
    deadlines: Deadlines = Deadlines()
    security: Security = attrs.field(factory=Security, repr=False)
    buffer_bytes: int = 32 * 2**20

    @property
    def address(self) -> str:
        """The servers as a URL."""
        return f"kafka://{','.join(self.servers)}"

    @property
    def start_seconds(self) -> float:
        """How long connecting may take: the clients try one server after the other."""
        patience = float(self._for("producer")["request_timeout_ms"]) / 1000
        return self.deadlines.start + patience * (len(self.servers) - 1)

    @property
    def lazy(self) -> bool:
        """Whether records are made of what was fetched only when their turn comes; `record_reader`."""
        reader: str = self._of_reader("record_reader")
        return reader == "lazy"

    @property
    def unpack_limits(self) -> UnpackLimits:
        """How large a compressed batch may become; `unpacked_batch_bytes` and `unpacked_batch_ratio`."""
        return UnpackLimits(self._of_reader("unpacked_batch_bytes"), self._of_reader("unpacked_batch_ratio"))

    def _of_reader(self, name: str) -> Any:
        return self.given["consumer"].get(name, READER[name])

    @property
    def instance(self) -> str | None:
        """The `group_instance_id`: who has one keeps its place in the group over a quick restart."""
        return self.given["consumer"].get("group_instance_id")

    @property
    def rebalance_seconds(self) -> float:
        """After how long the broker throws out a member that has not given its partitions up."""
        return float(self._for("consumer")["rebalance_timeout_ms"]) / 1000

    def consumer(self, membership: Membership) -> dict[str, Any]:
        """What `AIOKafkaConsumer` is given for a membership."""
        given = {"client_id": membership.name, **self._for("consumer")}
        assignor = given[ASSIGNOR]
        return {
            **given,
            "group_id": membership.group,
            "auto_offset_reset": membership.start,
            "enable_auto_commit": False,
            ASSIGNOR: (ASSIGNORS[assignor]() if isinstance(assignor, str) else assignor,),
        }

    def producer(self) -> dict[str, Any]:
        """What `AIOKafkaProducer` is given."""
        return self._for("producer")

    def admin(self) -> dict[str, Any]:
        """What `AIOKafkaAdminClient` is given."""
        return self._for("admin")

    def _defaults(self, client: str) -> dict[str, object]:
        defaults = dict(DEFAULTS[client])
        if self.given[client].get("acks", "all") != "all":
            defaults["enable_idempotence"] = False
        return defaults

    def _for(self, client: str) -> dict[str, Any]:
        said = {name: value for name, value in self.given[client].items() if name in PARAMETERS[client]}
        given = {**self._defaults(client), **said, **self.security.client_options()}
        return {**given, "bootstrap_servers": list(self.servers)}

    def told(self) -> Iterator[ClientOption]:
        """Every option that can be set, as it is used, with where it comes from; secrets are masked."""
        for client, names in RULES.clients.items():
            ours, given, theirs = self._defaults(client), self.given[client], PARAMETERS[client]
            ours |= READER if client == "consumer" else {}
            for name in sorted(RULES.known.intersection(names)):
                if name in given:
                    value, origin = given[name], self.origins[client][name]
                elif name in ours or name not in theirs:
                    value, origin = ours.get(name), "partita"
                else:
                    value, origin = theirs[name].default, "aiokafka"
                yield ClientOption(client, name, masked(name, value), origin)


def kafka_settings(
    address: str,
    options: Mapping[str, str],
    deadlines: Deadlines = Deadlines(),
    settings: KafkaSettings = KafkaSettings(),
) -> KafkaSetup:
    """
    Check an address with its options, which are still text, and what the program says.

    Raises:
        SettingsError: with the name of everything that cannot be used; a secret's value is in no message.
    """
    read = read_options(
        RULES,
        (
            Table("settings", without_counterparts(settings.options, options)),
            Table("settings.consumer", without_counterparts(settings.consumer, options), "consumer"),
            Table("settings.producer", without_counterparts(settings.producer, options), "producer"),
            Table("settings.admin", without_counterparts(settings.admin, options), "admin"),
            Table(ADDRESS, options),
        ),
    )
    servers, wrong = _servers(address)
    problems, security = [*wrong, *read.problems, *_impossible(read)], Security()
    if type(settings.buffer_bytes) is not int or settings.buffer_bytes < 1:
        problems.append(f"buffer_bytes is a whole number of bytes, not {settings.buffer_bytes!r}")
    try:
        security = security_of(_common(read), servers)
    except SettingsError as error:
        if not any(is_of_security(name) for name in read.unread):
            problems.append(str(error))
    refuse(problems)
    return KafkaSetup(servers, read.values, read.origins, deadlines, security, settings.buffer_bytes)


def _common(read: ReadOptions) -> Mapping[str, object]:
    """
    What all clients connect with.

    Raises:
        SettingsError: one is to connect in another way than another one.
    """
    found: dict[str, object] = {}
    for values in read.values.values():
        for name, value in values.items():
            if is_of_security(name) and found.setdefault(name, value) != value:
                raise SettingsError(
                    f"{name} differs between clients, which connect to the same brokers: give it once"
                )
    return found


def _servers(address: str) -> tuple[tuple[str, ...], Sequence[str]]:
    """The servers, and what is wrong with the address."""
    place = urlsplit(address)
    if "@" in place.netloc:
        return (), [
            "the address of a Kafka bus holds no user or password; give the options "
            "sasl_plain_username and sasl_plain_password"
        ]
    if place.path.strip("/") or place.fragment:
        return (), ["the address of a Kafka bus is kafka://HOST:PORT[,HOST:PORT] and no more"]
    try:
        return tuple(_server(host) for host in place.netloc.split(",")), []
    except SettingsError as error:
        return (), [str(error)]


def _server(host: str) -> str:
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        name, port = host, "9092"
    if not name or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        # What stands where the port should may be a password.
        shown = f"{name}:{port if port.isdigit() else MASK}" if colon else name
        raise SettingsError(
            f"{shown!r} is no broker's address; write kafka://HOST:PORT, for example kafka://127.0.0.1:9092"
        )
    return f"{name}:{port}"


_Pair = tuple[str, tuple[str, str], Callable[[Any, Any], bool], str]
_PAIRS: Sequence[_Pair] = (
    (
        "consumer",
        ("heartbeat_interval_ms", "session_timeout_ms"),
        lambda beat, session: beat < session,
        "heartbeat_interval_ms must be below session_timeout_ms, at best a third of it",
    ),
    (
        "consumer",
        ("fetch_max_wait_ms", "request_timeout_ms"),
        lambda wait, request: wait < request,
        "request_timeout_ms must be above fetch_max_wait_ms, which a fetch may take",
    ),
    (
        "consumer",
        ("fetch_min_bytes", "fetch_max_bytes"),
        lambda least, most: least <= most,
        "fetch_min_bytes must not be above fetch_max_bytes, or every fetch waits for its whole time",
    ),
    (
        "producer",
        ("acks", "enable_idempotence"),
        lambda acks, idempotent: acks == "all" or not idempotent,
        "enable_idempotence=true needs acks=all",
    ),
)


def _impossible(read: ReadOptions) -> Iterator[str]:
    """Why options cannot hold together; of those that cannot be read nothing more is said."""
    for client, names, fine, problem in _PAIRS:
        given = {name: each.default for name, each in PARAMETERS[client].items()}
        given |= {**DEFAULTS[client], **read.values[client]}
        if "acks" in names:
            given["enable_idempotence"] = read.values[client].get("enable_idempotence", False)
        if not read.unread.intersection(names) and not fine(*(given[name] for name in names)):
            yield problem
