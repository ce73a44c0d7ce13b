"""Options of the clients in Python: checked against the installed ones, all problems at once."""

import functools
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

from partita import KafkaSettings, SettingsError, open_bus
from partita.backends.kafka import KafkaSettings as SameSettings
from partita.backends.kafka.options import PARAMETERS, REFUSED, type_of
from partita.backends.kafka.security import is_of_security
from partita.backends.kafka.settings import KafkaSetup, kafka_settings
from partita.core.ports import Membership

URL = "kafka://127.0.0.1:9092"
MEMBERSHIP = Membership("g", topics=frozenset({"t"}))
# Every value of an option's own type that a program may give, for options that take more than a number.
OBJECTS: Mapping[str, object] = {
    "acks": "all", "compression_type": "gzip", "isolation_level": "read_uncommitted",
    "partition_assignment_strategy": "range", "check_crcs": False,
    "exclude_internal_topics": False, "enable_idempotence": True,
    "partitioner": max,
}  # fmt: skip


def setup_of(settings: KafkaSettings, **options: str) -> KafkaSetup:
    """What a bus would use."""
    return kafka_settings(URL, options, settings=settings)


def settable() -> list[tuple[str, str]]:
    """Every option of every client that can be set, but for those of connections, which all share."""
    return [
        (client, name)
        for client, parameters in PARAMETERS.items()
        for name in parameters
        if name not in REFUSED and not is_of_security(name)
    ]


@pytest.mark.parametrize(("client", "name"), settable())
def test_every_option_reaches_the_client_that_has_it(client: str, name: str) -> None:
    """Under its own name, as it was given, and no other client."""
    value = OBJECTS.get(name, 10_000 if name.endswith(("_ms", "_bytes", "_size", "_records")) else "text")

    tables: dict[str, Any] = {client: {name: value}}
    used = setup_of(KafkaSettings(**tables))

    given = {"consumer": used.consumer(MEMBERSHIP), "producer": used.producer(), "admin": used.admin()}
    told = {(each.client, each.name): each for each in used.told()}
    assert (told[client, name].value, told[client, name].origin) == (value, f"settings.{client}")
    if name == "partition_assignment_strategy":
        assert given["consumer"][name] == (RangePartitionAssignor,)
    else:
        assert given.pop(client)[name] == value
        assert [each.get(name) for each in given.values() if each.get(name) == value is not True] in (
            [],
            [value],
        )


def test_every_option_of_the_client_can_be_set_or_is_refused_with_a_reason() -> None:
    """A release with a new option brings it by itself, and no reason stands for an option that is gone."""
    names = {name for parameters in PARAMETERS.values() for name in parameters}

    assert set(REFUSED) <= names
    assert all(type_of(name).told for name in names - set(REFUSED))


def test_the_more_particular_wins_and_the_address_over_all() -> None:
    """One table for all clients, one for each, and what is typed last at the command line."""
    settings = KafkaSettings(
        options={"request_timeout_ms": 9_000, "retry_backoff_ms": 70, "metadata_max_age_ms": 5_000},
        consumer={"request_timeout_ms": 8_000, "retry_backoff_ms": 60},
    )

    used = setup_of(settings, retry_backoff_ms="50")

    consumer, admin = used.consumer(MEMBERSHIP), used.admin()
    assert [consumer[name] for name in settings.options] == [8_000, 50, 5_000]
    assert [admin[name] for name in settings.options] == [9_000, 50, 5_000]
    origins = {(each.client, each.name): each.origin for each in used.told()}
    assert origins["consumer", "request_timeout_ms"] == "settings.consumer"
    assert origins["admin", "request_timeout_ms"] == "settings"
    assert origins["admin", "retry_backoff_ms"] == "address"
    assert origins["consumer", "session_timeout_ms"] == "partita"
    assert origins["consumer", "fetch_max_bytes"] == "aiokafka"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (KafkaSettings(consumer={"sesion_timeout_ms": 1}), "settings.consumer: .* 'session_timeout_ms'?"),
        (KafkaSettings(consumer={"acks": "all"}), "'acks' is one of the producer, not of the consumer"),
        (KafkaSettings(producer={"value_serializer": bytes}), "of a class with a codec"),
        (KafkaSettings(producer={"linger_ms": 5}), "never waits for more"),
        (KafkaSettings(options={"enable_auto_commit": True}), "committed when its message is handled"),
        (KafkaSettings(consumer={"value_deserializer": bytes}), "decode there"),
        (KafkaSettings(producer={"transactional_id": "x"}), "ids of their own"),
        (KafkaSettings(consumer={"session_timeout_ms": "6000"}), "a whole number from 0, not '6000'"),
        (KafkaSettings(consumer={"session_timeout_ms": True}), "not True"),
        (KafkaSettings(consumer={"session_timeout_ms": 6e3}), "not 6000.0"),
        (KafkaSettings(consumer={"check_crcs": 1}), "true or false, not 1"),
        (KafkaSettings(producer={"acks": True}), "one of all, -1, 1, 0, not True"),
        (KafkaSettings(producer={"partitioner": "hash"}), "a function"),
        (KafkaSettings(options={"ssl_context": "ca.pem"}), "an ssl.SSLContext"),
        (KafkaSettings(options={"sasl_oauth_token_provider": 5}), "a token provider"),
        (KafkaSettings(options={"sasl_plain_password": 7}), "not a int"),
        (KafkaSettings(options={"client_id": ""}), "text that is not empty"),
        (KafkaSettings(options=[("acks", 1)]), "settings: give a mapping"),  # type: ignore[arg-type]
        (
            KafkaSettings(consumer={"partition_assignment_strategy": [RangePartitionAssignor] * 2}),
            "joins the group once for each",
        ),
        (
            KafkaSettings(consumer={"partition_assignment_strategy": (StickyPartitionAssignor,)}),
            "overwrite each other's memory",
        ),
        (KafkaSettings(consumer={"fetch_min_bytes": 9, "fetch_max_bytes": 8}), "fetch_min_bytes must not be"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_place_and_reason(settings: KafkaSettings, said: str) -> None:
    """When the bus is made, before anything is connected."""
    with pytest.raises(SettingsError, match=said):
        open_bus(URL, settings=settings)


def test_all_problems_are_told_at_once() -> None:
    """Row 97: of the address, of each table, of pairs; whoever mends one does not meet the next after it."""
    settings = KafkaSettings(
        options={"retries": 3},
        consumer={"session_timeout_ms": "soon", "request_timeout_ms": 400},
        producer={"acks": 1, "enable_idempotence": True},
    )

    with pytest.raises(SettingsError) as refused:
        open_bus(f"{URL}?isolation_level=dirty&enable_auto_commit=true", settings=settings)

    head, *told = str(refused.value).split("\n  - ")
    assert head == "6 settings cannot be used:"
    assert [each.split(" ")[0] for each in told[:2]] == ["settings:", "settings.consumer:"]
    for words in ("retries", "soon", "dirty", "enable_auto_commit", "above fetch_max_wait_ms", "acks=all"):
        assert len([each for each in told if words in each]) == 1, words


def test_a_secret_is_in_no_error_and_no_list() -> None:
    """Neither in what is told of a wrong type, nor where options are shown."""
    planted = "planted-secret"
    login = {"security_protocol": "SASL_SSL", "sasl_plain_username": "otto", "sasl_plain_password": planted}

    bus = open_bus(URL, settings=KafkaSettings(options=login))
    with pytest.raises(SettingsError) as refused:
        open_bus(URL, settings=KafkaSettings(options={"sasl_plain_password": [planted]}))

    told = {(each.client, each.name): each.value for each in bus.options}
    assert told["admin", "sasl_plain_password"] == "***"
    assert planted not in repr(bus.options) + str(refused.value) + repr(KafkaSettings(options=login))


def test_an_assignor_of_ones_own_is_used() -> None:
    """A class of an assignor, alone or in a sequence of one as the client takes it."""

    class Own(RangePartitionAssignor):
        """Shares out as it likes."""

    names: Sequence[object] = (Own, [Own], (Own,))

    used = [setup_of(KafkaSettings(consumer={"partition_assignment_strategy": each})) for each in names]

    assert [each.consumer(MEMBERSHIP)["partition_assignment_strategy"] for each in used] == [(Own,)] * 3


def test_a_context_of_ones_own_is_used() -> None:
    """The program's, and not the one that is made when there is none."""
    context = ssl.create_default_context()

    used = setup_of(KafkaSettings(options={"security_protocol": "SSL", "ssl_context": context}))

    assert used.producer()["ssl_context"] is context


def test_clients_connect_in_one_way() -> None:
    """Said for one client it holds for all, and said in two ways it is refused."""
    login = {"security_protocol": "SASL_SSL", "sasl_plain_username": "u", "sasl_plain_password": lambda: "p"}
    used = setup_of(KafkaSettings(consumer=login))

    assert used.admin()["security_protocol"] == "SASL_SSL"
    with pytest.raises(SettingsError, match="sasl_plain_username differs between clients"):
        setup_of(KafkaSettings(options=login, admin={"sasl_plain_username": "root"}))


def test_a_secret_in_the_environment_wins_over_the_programs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever runs it has the last word, also when one names a file and the other does not."""
    file = tmp_path / "password"
    file.write_text("from a file")
    login = {
        "security_protocol": "SASL_SSL",
        "sasl_plain_username": "u",
        "sasl_plain_password_file": str(file),
    }
    monkeypatch.setenv("PARTITA_KAFKA_SASL_PLAIN_PASSWORD", "from the environment")

    bus = open_bus(URL, settings=KafkaSettings(options=login))

    told = {each.name: (str(each.value), each.origin) for each in bus.options if each.client == "admin"}
    assert told["sasl_plain_password"] == ("***", "address")
    assert told["sasl_plain_password_file"] == ("None", "partita")


def test_settings_are_for_addresses_of_their_broker() -> None:
    """Options that nobody would read are not taken in silence."""
    assert SameSettings is KafkaSettings
    with pytest.raises(SettingsError, match="memory:// have options in their query only"):
        open_bus("memory://", settings=KafkaSettings())
    with pytest.raises(SettingsError, match="nats:// take NatsSettings"):
        open_bus("nats://127.0.0.1", settings=KafkaSettings())


def test_a_partial_is_a_function() -> None:
    """Whatever can be called as the client calls it."""
    settings = KafkaSettings(producer={"partitioner": functools.partial(max)})

    assert callable(setup_of(settings).producer()["partitioner"])


@pytest.mark.parametrize("size", [0, -1, 1.5, "many", True])
def test_a_buffer_without_a_size_is_refused(size: Any) -> None:
    """Everything would wait for ever, or nothing ever."""
    with pytest.raises(SettingsError, match="buffer_bytes"):
        setup_of(KafkaSettings(buffer_bytes=size))


def test_the_size_of_the_buffer_reaches_the_publisher() -> None:
    """In bytes; 32 MiB when nothing is said."""
    assert setup_of(KafkaSettings(buffer_bytes=5)).buffer_bytes == 5
    assert setup_of(KafkaSettings()).buffer_bytes == 32 * 2**20
