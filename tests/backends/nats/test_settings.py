"""The address and its options: what is taken, converted, refused, and never shown."""

import ssl
from pathlib import Path

import pytest

from partita import NatsSettings, open_bus
from partita.backends.nats import open_backend
from partita.backends.nats.options import RULES
from partita.backends.nats.settings import nats_settings
from partita.core.errors import SettingsError


def test_user_and_password_go_to_the_client_and_are_never_shown() -> None:
    """The address that stands in logs and traces has no secret, and neither has the settings' text."""
    settings = nats_settings("nats://me:secret@one:4222,two:4223", {"token": "secret"})

    assert settings.servers == ("nats://one:4222", "nats://two:4223")
    assert (settings.options["user"], settings.options["password"]) == ("me", "secret")
    assert settings.address == "nats://one:4222,two:4223"
    assert open_backend("nats://me:secret@one:4222", {}).address == "nats://one:4222"
    assert "secret" not in repr(settings)


def test_percent_signs_in_user_and_password_are_decoded() -> None:
    """The client would send the text of the address as it stands, and the server would refuse it."""
    named = nats_settings("nats://a%3Ab:p%40ss@h", {})
    token = nats_settings("nats://to%2Fken@h", {})

    assert (named.options["user"], named.options["password"]) == ("a:b", "p@ss")
    assert token.options["token"] == "to/ken"
    assert "user" not in token.options


def test_options_are_converted_to_the_clients_types() -> None:
    """Text from the address becomes what `nats.connect` takes; ours win over the client's defaults."""
    options = nats_settings(
        "nats://h", {"ping_interval": "3", "no_echo": "true", "max_outstanding_pings": "5", "user": "u"}
    ).options

    assert options["ping_interval"] == 3
    assert options["no_echo"] is True
    assert options["max_outstanding_pings"] == 5
    assert options["user"] == "u"
    assert options["max_reconnect_attempts"] == -1


def test_the_pin_timeout_is_ours() -> None:
    """It does not reach the client."""
    settings = nats_settings("nats://h", {"pin_timeout": "2.5", "domain": "hub"})

    assert (settings.pin_timeout, settings.api) == (2.5, "$JS.hub.API")
    assert "pin_timeout" not in settings.options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ping_intervall": "3"}, "'ping_interval'"),
        ({"pin_timout": "3"}, "'pin_timeout'"),
        ({"closed_cb": "f"}, "cannot be given as text"),
        ({"tls": "x"}, "cannot be given as text"),
        ({"skip_subject_validation": "true"}, "inject"),
        ({"servers": "x"}, "in the address itself"),
        ({"ping_interval": "soon"}, "seconds"),
        ({"connect_timeout": "-1"}, "seconds"),
        ({"max_outstanding_pings": "2.5"}, "whole number"),
        ({"no_echo": "maybe"}, "true or false"),
        ({"pin_timeout": "0.1"}, "2 seconds or more"),
        ({"pin_timeout": "nan"}, "seconds"),
        ({"domain": "a.b"}, "domain"),
        ({"user": ""}, "empty"),
        ({"user_credentials": "nowhere.creds"}, "nkeys"),
        ({"nkeys_seed_str": "SU"}, "nkeys"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused_with_the_reason(
    options: dict[str, str], words: str
) -> None:
    """The error says what can be used instead."""
    with pytest.raises(SettingsError, match=words):
        nats_settings("nats://h", options)


@pytest.mark.parametrize("address", ["nats://", "nats://:4222", "nats://h:port", "nats://h/path"])
def test_an_address_without_a_server_is_refused(address: str) -> None:
    """Before anything is connected."""
    with pytest.raises(SettingsError, match="HOST:PORT"):
        nats_settings(address, {})


async def on_event(*told: object) -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ping_intervall": 3}, "settings: .*'ping_interval'"),
        ({"ping_interval": "3"}, "seconds above 0, not '3'"),
        ({"closed_cb": len}, "'async def' function"),
        ({"tls": "x"}, "an ssl.SSLContext"),
        ({"skip_subject_validation": True}, "inject"),
        ({"password": ["planted"]}, "not a list"),
        ({"pin_timeout": 1}, "2 seconds or more"),
        ({"max_reconnect_attempts": -2}, "from -1"),
        ({"user_credentials": "nowhere.creds"}, "nkeys"),
        ({"no_echo": 1, "domain": "a.b"}, "2 settings cannot be used"),
    ],
)
def test_an_option_in_python_is_checked_as_well(options: dict[str, object], words: str) -> None:
    """In the client's own types, all problems at once."""
    with pytest.raises(SettingsError, match=words) as refused:
        open_bus("nats://h", settings=NatsSettings(options=options))

    assert "planted" not in str(refused.value)


def test_options_in_python_reach_the_client_and_the_address_wins() -> None:
    """Objects as well, which text cannot hold."""

    def token() -> str:
        return "planted"

    context = ssl.create_default_context()
    given = NatsSettings(options={"tls": context, "ping_interval": 7, "token": token, "closed_cb": on_event})

    settings = nats_settings("nats://h", {"ping_interval": "3"}, given)

    assert (settings.options["tls"], settings.options["token"]) == (context, token)
    assert (settings.options["ping_interval"], settings.encrypted) == (3, True)
    told = {each.name: (each.value, each.origin) for each in settings.told()}
    assert told["token"] == ("***", "settings")
    assert told["ping_interval"] == (3, "address")
    assert told["pin_timeout"] == (10.0, "partita")


def test_a_secret_is_read_from_its_file_for_each_connection(tmp_path: Path) -> None:
    """So that it may be changed without a restart; a missing file is told at once."""
    file = tmp_path / "password"
    file.write_text("first\n")

    settings = nats_settings("nats://h", {"password_file": str(file)})
    first = settings.options["password"]()
    file.write_text("second")

    assert (first, settings.options["password"]()) == ("first", "second")
    with pytest.raises(SettingsError, match="names no file"):
        nats_settings("nats://h", {"token_file": str(tmp_path / "none")})


def test_every_parameter_of_the_client_is_known_or_refused() -> None:
    """A new release of the client brings its new options by itself."""
    assert {"pin_timeout", "user_credentials", "inbox_prefix", "tls_handshake_first"} <= RULES.known
