"""The worker command on a broker that asks who it is."""

from pathlib import Path

from tests.security.broker import PASSWORD, USER, Secure
from tests.workers.running import paragraph, run

OTTO = {"sasl_mechanism": "SCRAM-SHA-512", "sasl_plain_username": USER}


def test_a_wrong_password_ends_a_command_with_4_and_the_reason(secure: Secure, tmp_path: Path) -> None:
    """Rows 92 and 93: it is a setting that is wrong, and not a broker that is away."""
    environ = {"PARTITA_BUS": secure.url("sasl", sasl_plain_password="planted-wrong", **OTTO)}

    done = run(tmp_path, "topics", "list", environ=environ)

    assert done.returncode == 4
    assert "refused the login by SCRAM-SHA-512" in paragraph(done)
    assert b"planted-wrong" not in done.stderr


def test_the_address_may_stand_in_a_file_and_the_password_in_the_environment(
    secure: Secure, tmp_path: Path
) -> None:
    """Neither is on the command line, so nothing is warned of."""
    (tmp_path / "address").write_text(f"{secure.url('sasl', **OTTO)}\n")
    environ = {
        "PARTITA_BUS": "",
        "PARTITA_BUS_FILE": "address",
        "PARTITA_KAFKA_SASL_PLAIN_PASSWORD": PASSWORD,
    }

    done = run(tmp_path, "topics", "list", environ=environ)

    assert (done.returncode, done.stderr) == (0, b"")
