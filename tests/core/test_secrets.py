"""Secrets are shown nowhere, and come from where the address or the environment says."""

import json
import pickle
from collections.abc import Mapping

import pytest

from partita.core.errors import SettingsError
from partita.core.secrets import Secret, exposed_secrets, from_environment, is_secret, masked_url

PLAIN = {"security_protocol": "SASL_SSL"}


def test_a_secret_shows_its_value_to_nobody_but_its_reader() -> None:
    """Not in a text, a format, a traceback's locals, a pickle or JSON."""
    secret = Secret("planted")

    assert secret.reveal() == "planted"
    assert "planted" not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)


def test_secrets_compare_by_what_they_hold() -> None:
    """So that one can tell whether a password has changed without seeing it."""
    assert Secret("ä") == Secret("ä")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("kafka://a:1?acks=all", "kafka://a:1?acks=all"),
        ("nats://me:planted@a:1,b:2", "nats://me:***@a:1,b:2"),
        ("nats://planted@a:1", "nats://***@a:1"),
        ("nats://me:plan@ted:planted@a:1", "nats://me:***@a:1"),
        ("kafka://a:1?sasl_plain_password=planted&x=1", "kafka://a:1?sasl_plain_password=***&x=1"),
        ("kafka://a:1?sasl_plain_pasword=planted", "kafka://a:1?sasl_plain_pasword=***"),
        ("kafka://a:1?SSL_PASSWORD=planted", "kafka://a:1?SSL_PASSWORD=***"),
        ("kafka://a:1?ssl_password_file=/run/key", "kafka://a:1?ssl_password_file=/run/key"),
        ("kafka://a:1?sasl_oauth_token=planted=", "kafka://a:1?sasl_oauth_token=***"),
        ("nats://a?nkeys_seed_str=planted", "nats://a?nkeys_seed_str=***"),
        ("nats://a?user_credentials=/etc/me.creds", "nats://a?user_credentials=/etc/me.creds"),
        ("planted@", "***@"),
        ("no address", "***"),
        ("nats://me:plan?ted@a:1", "nats://***"),
        ("nats://me:plan#ted", "nats://***"),
        ("kafka://a:1?ssl_p%61ssword=planted", "kafka://a:1?ssl_p%61ssword=***"),
        ("kafka://a:1?ssl_password=plan&ted", "kafka://a:1?ssl_password=***&***"),
        ("kafka://a:1,[::1]:2?", "kafka://a:1,[::1]:2?"),
        ("memory://name", "memory://name"),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    """Hosts, user names and harmless options stay readable, whatever else stands there."""
    assert masked_url(url) == shown


def test_what_of_an_address_is_secret_is_told_with_the_variable_to_use_instead() -> None:
    """So that a warning can say what is to go elsewhere, and where to."""
    kafka = "kafka://a:1?sasl_plain_password=x&ssl_pasword=y&acks=1&sasl_oauth_token="

    assert exposed_secrets("tls://me:planted@a?token=x&name=y&nkeys_seed_str=z") == {
        "password": "PARTITA_NATS_PASSWORD",
        "token": "PARTITA_NATS_TOKEN",
        "nkeys_seed_str": "PARTITA_BUS",
    }
    assert exposed_secrets(kafka) == {
        "sasl_plain_password": "PARTITA_KAFKA_SASL_PLAIN_PASSWORD",
        "ssl_pasword": "PARTITA_BUS",
    }
    assert exposed_secrets("kafka://a:1?acks=1") == {}


def test_files_and_functions_that_hold_a_secret_are_none() -> None:
    """The place of a secret may be shown, or nobody could see where it comes from."""
    names = ("sasl_plain_password", "sasl_plain_password_file", "sasl_oauth_token_provider", "acks")

    assert [is_secret(name) for name in names] == [True, False, False, False]


@pytest.mark.parametrize(
    ("scheme", "given", "environ", "found"),
    [
        ("kafka", PLAIN, {"PARTITA_KAFKA_SASL_PLAIN_PASSWORD": "p"}, {"sasl_plain_password": "p"}),
        ("kafka", PLAIN, {"PARTITA_KAFKA_SASL_PLAIN_PASSWORD_FILE": "/p"},
         {"sasl_plain_password_file": "/p"}),
        ("kafka", {"security_protocol": "SSL"}, {"PARTITA_KAFKA_SSL_PASSWORD": "p"}, {"ssl_password": "p"}),
        ("kafka", PLAIN, {"PARTITA_KAFKA_SASL_PLAIN_PASSWORD": ""}, {}),
        ("kafka", {}, {"PARTITA_KAFKA_SASL_PLAIN_PASSWORD": "p"}, {}),
        ("kafka", {**PLAIN, "sasl_plain_password": "q"}, {"PARTITA_KAFKA_SASL_PLAIN_PASSWORD": "p"}, {}),
        ("kafka", {**PLAIN, "sasl_plain_password_file": "/q"},
         {"PARTITA_KAFKA_SASL_PLAIN_PASSWORD": "p"}, {}),
        ("nats", {}, {"PARTITA_NATS_TOKEN": "t"}, {"token": "t"}),
        ("tls", {}, {"PARTITA_NATS_TOKEN": "t"}, {"token": "t"}),
        ("memory", {}, {"PARTITA_MEMORY_TOKEN": "t"}, {}),
    ],
)  # fmt: skip
def test_secrets_that_the_address_lacks_come_from_the_environment(
    scheme: str, given: Mapping[str, str], environ: Mapping[str, str], found: Mapping[str, str]
) -> None:
    """The address wins, and a secret that it has no use for stays where it is."""
    assert from_environment(scheme, given, environ) == {**given, **found}


def test_a_secret_and_its_file_are_not_both_in_the_environment() -> None:
    """One of them would be the old one, and nobody could say which."""
    name = "PARTITA_KAFKA_SASL_PLAIN_PASSWORD"

    with pytest.raises(SettingsError, match=f"{name} and {name}_FILE"):
        from_environment("kafka", PLAIN, {name: "planted", f"{name}_FILE": "/p"})


def test_a_file_of_a_nats_secret_is_read_at_once() -> None:
    """Its client is given the secret itself."""
    found = from_environment("nats", {}, {"PARTITA_NATS_TOKEN_FILE": "/t"}, read=lambda path: f"in {path}")

    assert found == {"token": "in /t"}
