"""What options say of security, and what is never sent."""

import asyncio
import shutil
import ssl
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError
from tests.security.broker import Papers, make_papers

from partita import KafkaSettings, SettingsError, open_bus
from partita.backends.kafka.security import is_loopback, security_of
from partita.backends.kafka.tls import TlsFiles

SASL = {"security_protocol": "SASL_SSL"}
LOGIN = {"sasl_plain_username": "otto", "sasl_plain_password": "planted"}


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    """Certificates and keys."""
    return make_papers(tmp_path_factory.mktemp("papers"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"ssl_cafile": "x"}, "ssl_cafile is for TLS; give security_protocol=SSL"),
        ({"sasl_mechanism": "PLAIN"}, "sasl_mechanism is for SASL"),
        ({**SASL, "sasl_mechanism": "SCRAM-SHA-256"}, "there is no sasl_plain_username"),
        ({**SASL, "sasl_mechanism": "OAUTHBEARER"}, "needs sasl_oauth_token_provider"),
        ({"security_protocol": "SSL", "ssl_cafile": "no-such"}, "ssl_cafile names no file: no-such"),
        ({"security_protocol": "SSL", "ssl_keyfile": "x"}, "give ssl_certfile as well"),
        ({**SASL, **LOGIN, "sasl_plain_password_file": "x"}, "are both given; give one"),
        (
            {**SASL, "sasl_plain_username": "otto", "sasl_plain_password_file": "no-such"},
            "sasl_plain_password_file names no file: no-such",
        ),
    ],
)
def test_what_cannot_hold_together_is_refused(options: Mapping[str, str], told: str) -> None:
    """Before anything is connected, with what to give instead; no secret is repeated."""
    with pytest.raises(SettingsError, match=told) as refused:
        security_of(options, ["127.0.0.1:9092"])

    assert "planted" not in str(refused.value)


@pytest.mark.parametrize("mechanism", ["PLAIN", "OAUTHBEARER"])
def test_what_would_tell_a_secret_to_another_machine_in_clear_text_is_refused(mechanism: str) -> None:
    """Row 91 for Kafka; on this machine it may travel as it is, and elsewhere if somebody says so."""
    options = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": mechanism,
        "sasl_oauth_token": "planted",
        **LOGIN,
    }
    elsewhere = ["127.0.0.1:9092", "kafka.example.com:9092"]

    with pytest.raises(SettingsError, match=r"to kafka\.example\.com:9092 in clear text"):
        security_of(options, elsewhere)
    security_of({**options, "allow_insecure": True}, elsewhere)
    security_of(options, ["127.0.0.1:9092", "localhost:1", "[::1]:9092"])


def test_a_host_is_on_this_machine_if_its_name_says_so() -> None:
    """A name is not looked up: what it stands for may change."""
    hosts = ("127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost", "10.0.0.1", "localhost.example.com", "")

    assert [is_loopback(host) for host in hosts] == [True] * 5 + [False] * 3


def test_a_server_without_tls_is_sent_no_byte_of_a_login() -> None:
    """Row 91 for Kafka: whoever sits between us and the broker cannot talk us out of TLS."""

    received = bytearray()
    query = "security_protocol=SASL_SSL&sasl_plain_username=otto&sasl_plain_password=planted"

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.extend(await reader.read(65536))
        writer.transport.abort()

    async def scenario() -> None:
        server = await asyncio.start_server(listen, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(KafkaConnectionError):
            async with open_bus(f"kafka://127.0.0.1:{port}?{query}"):
                pass
        server.close()

    asyncio.run(scenario())

    assert received
    assert b"planted" not in received
    assert b"otto" not in received


def test_a_certificate_whose_key_is_not_there_yet_leaves_the_old_pair_in_use(
    papers: Papers, tmp_path: Path
) -> None:
    """They are replaced one after the other; a connection in between is made with what was good."""
    certificate, key = tmp_path / "crt.pem", tmp_path / "key.pem"
    shutil.copy(papers.client.certificate, certificate)
    shutil.copy(papers.client.key, key)
    files = TlsFiles({"ssl_certfile": certificate, "ssl_keyfile": key})

    first = files.context()
    shutil.copy(papers.server.certificate, certificate)
    between = files.context()
    shutil.copy(papers.server.key, key)
    second = files.context()

    assert between is first
    assert second is not first
    assert files.context() is second


@pytest.mark.parametrize(
    ("certificate", "key", "told"),
    [
        ("otto.crt.pem", "server.key.pem", "does not belong to the certificate of ssl_certfile"),
        ("otto.key.pem", "otto.key.pem", "cannot be used"),
        ("missing.pem", "otto.key.pem", "ssl_certfile names no file"),
    ],
)
def test_files_that_cannot_be_used_are_told_by_their_options(
    certificate: str, key: str, told: str, papers: Papers
) -> None:
    """OpenSSL's own words name neither file nor option."""
    folder = papers.client.key.parent

    with pytest.raises(SettingsError, match=told):
        TlsFiles({"ssl_certfile": folder / certificate, "ssl_keyfile": folder / key}).context()


def test_tls_below_1_2_is_not_spoken(papers: Papers) -> None:
    """And host names are checked, whatever the system's policy is."""
    context = TlsFiles({"ssl_cafile": papers.authority.file}).context()

    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED


def test_a_password_may_come_from_a_function_that_is_asked_for_each_connection() -> None:
    """Plain or async; it may fetch the password from wherever it is kept."""
    passwords = iter(["one", "two"])

    async def name() -> str:
        return "otto"

    said = {
        "security_protocol": "SASL_SSL",
        "sasl_plain_username": name,
        "sasl_plain_password": lambda: next(passwords),
    }

    async def scenario() -> list[tuple[object, object]]:
        security, found = security_of(said, []), list[tuple[object, object]]()
        for _ in range(2):
            given = await security.connection_options()
            found.append((given["sasl_plain_username"], given["sasl_plain_password"]))
        return found

    assert asyncio.run(scenario()) == [("otto", "one"), ("otto", "two")]
    assert (
        open_bus("kafka://127.0.0.1:1", settings=KafkaSettings(options=said)).address == "kafka://127.0.0.1:1"
    )
