"""The address and its options."""

import logging

import pytest

from partita.backends.kafka import open_backend
from partita.backends.kafka.probing import probe
from partita.backends.kafka.settings import kafka_settings
from partita.core.errors import SettingsError
from partita.core.ports import Membership

ADDRESS = "kafka://127.0.0.1:9092"
MEMBERSHIP = Membership("g", topics=frozenset({"t"}), start="latest", name="me")


def test_an_option_reaches_each_client_that_has_it_in_its_own_type() -> None:
    """Options go under the client's own names, as the type of its parameter, to every client."""
    settings = kafka_settings(
        ADDRESS,
        {"request_timeout_ms": "9000", "check_crcs": "false", "compression_type": "gzip",
         "max_poll_records": "none", "client_rack": "r1"},
    )  # fmt: skip

    consumer, producer, admin = settings.consumer(MEMBERSHIP), settings.producer(), settings.admin()

    assert [each["request_timeout_ms"] for each in (consumer, producer, admin)] == [9000] * 3
    assert consumer["check_crcs"] is False
    assert consumer["max_poll_records"] is None
    assert consumer["client_rack"] == "r1"
    assert producer["compression_type"] == "gzip"
    assert "check_crcs" not in producer
    assert "compression_type" not in consumer


def test_defaults_are_the_safe_ones() -> None:
    """Nothing is committed or skipped by the client itself, and no acknowledged message is lost."""
    settings = kafka_settings(ADDRESS, {})

    consumer, producer = settings.consumer(MEMBERSHIP), settings.producer()

    assert consumer["enable_auto_commit"] is False
    assert consumer["auto_offset_reset"] == "latest"
    assert consumer["group_id"] == "g"
    assert consumer["client_id"] == "me"
    assert consumer["session_timeout_ms"] == 45_000
    assert consumer["rebalance_timeout_ms"] == 60_000
    assert consumer["isolation_level"] == "read_committed"
    assert producer["acks"] == "all"
    assert producer["enable_idempotence"] is True


def test_fewer_acknowledgements_turn_idempotence_off() -> None:
    """The client refuses idempotence with acks=1, so the default gives way."""
    producer = kafka_settings(ADDRESS, {"acks": "1"}).producer()

    assert producer["acks"] == 1
    assert producer["enable_idempotence"] is False


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sesion_timeout_ms": "1"}, "did you mean 'session_timeout_ms'"),
        ({"enable_auto_commit": "true"}, "committed when its message is handled"),
        ({"value_deserializer": "json"}, "decode there"),
        ({"group_id": "g"}, "with the subscription"),
        ({"auto_offset_reset": "none"}, "start="),
        ({"consumer_timeout_ms": "5"}, "cannot be set in an address"),
        ({"partitioner": "hash"}, "cannot hold"),
        ({"bootstrap_servers": "a:1"}, "hosts of the address"),
        ({"session_timeout_ms": "soon"}, "whole number"),
        ({"session_timeout_ms": "-1"}, "whole number"),
        ({"check_crcs": "perhaps"}, "true or false"),
        ({"acks": "2"}, "is one of"),
        ({"compression_type": "zip"}, "is one of"),
        ({"partition_assignment_strategy": "cooperative"}, "is one of sticky, range, roundrobin"),
        ({"partition_assignment_strategy": "sticky,range"}, "joins the group once for each"),
        ({"session_timeout_ms": "2000"}, "below session_timeout_ms"),
        ({"request_timeout_ms": "400"}, "above fetch_max_wait_ms"),
        ({"acks": "1", "enable_idempotence": "true"}, "needs acks=all"),
        ({"security_protocol": "SASL_SSL"}, "sasl_plain_username"),
    ],
)  # fmt: skip
def test_an_option_that_cannot_be_used_is_refused_with_the_reason(options: dict[str, str], said: str) -> None:
    """Whoever misspells an option, or asks for one that breaks a promise, is told so at once."""
    with pytest.raises(SettingsError, match=said):
        kafka_settings(ADDRESS, options)


@pytest.mark.parametrize(
    "address",
    ["kafka://", "kafka://host:port", "kafka://a:1,", "kafka://a:0", "kafka://a:1/topic", "kafka://:1"],
)
def test_an_address_without_a_broker_is_refused(address: str) -> None:
    """The address names hosts and ports and nothing else."""
    with pytest.raises(SettingsError):
        kafka_settings(address, {})


def test_several_hosts_are_all_used_and_the_port_has_a_default() -> None:
    """Each host of the address is a server to begin with."""
    settings = kafka_settings("kafka://a:1,b,[::1]:3", {})

    assert settings.producer()["bootstrap_servers"] == ["a:1", "b:9092", "[::1]:3"]
    assert settings.address == "kafka://a:1,b:9092,[::1]:3"


def test_several_hosts_are_given_time_one_after_the_other() -> None:
    """The first may be a machine that is gone; the others must still get their turn."""
    one = kafka_settings("kafka://a:1", {"request_timeout_ms": "9000"})
    three = kafka_settings("kafka://a:1,b:1,c:1", {"request_timeout_ms": "9000"})

    assert three.start_seconds - one.start_seconds == 18.0


def test_a_password_is_in_no_repr_and_no_address() -> None:
    """What identifies a user is never shown."""
    options = {"security_protocol": "SASL_PLAINTEXT", "sasl_plain_username": "otto",
               "sasl_plain_password": "planted-secret"}  # fmt: skip

    backend = open_backend(ADDRESS, options)

    assert backend.settings.producer()["sasl_plain_password"] == "planted-secret"
    assert "planted-secret" not in repr(backend.settings) + repr(backend) + backend.address


def test_a_user_in_the_address_is_refused_without_repeating_the_password() -> None:
    """The error about userinfo does not print it."""
    with pytest.raises(SettingsError, match="sasl_plain_username") as refused:
        kafka_settings("kafka://otto:planted-secret@host:1", {})

    assert "planted-secret" not in str(refused.value)


@pytest.mark.parametrize("name", ["aiokafka.conn", "aiokafka.producer.producer"])
def test_the_clients_loggers_stay_quiet_at_debug(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG the client would write passwords, keys and values; also when the level is set later."""
    logger = logging.getLogger(name)

    probe()
    with caplog.at_level(logging.DEBUG, name):
        logger.debug("planted-secret")
        logger.warning("a warning")

    assert "a warning" in caplog.text
    assert "planted-secret" not in caplog.text


def test_the_clients_loggers_are_not_made_louder(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever asks for errors only gets errors only."""
    logger = logging.getLogger("aiokafka.producer")
    logger.setLevel(logging.NOTSET)

    with caplog.at_level(logging.ERROR):
        probe()
        enabled = logger.isEnabledFor(logging.WARNING)

    assert not enabled


def test_tls_without_a_context_uses_the_systems_trust() -> None:
    """An address cannot hold a context, so one that checks certificates is made."""
    producer = kafka_settings(ADDRESS, {"security_protocol": "SSL"}).producer()

    assert producer["ssl_context"].check_hostname
