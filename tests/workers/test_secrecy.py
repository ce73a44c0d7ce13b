"""Secrets on a command line: warned of, and never repeated."""

from pathlib import Path

import pytest
from tests.workers.running import paragraph, run

CLEAR = "kafka://kafka.example.com:9092?security_protocol=SASL_PLAINTEXT&sasl_plain_username=otto"


@pytest.mark.parametrize(
    ("url", "name", "variable"),
    [
        (f"{CLEAR}&sasl_plain_password=planted", "sasl_plain_password", "PARTITA_KAFKA_SASL_PLAIN_PASSWORD"),
        ("nats://me:planted@127.0.0.1:1?conect_timeout=1", "password", "PARTITA_NATS_PASSWORD"),
        ("nats://127.0.0.1:1?nkeys_seed_st=planted", "nkeys_seed_st", "PARTITA_BUS"),
    ],
)
def test_a_secret_on_the_command_line_is_warned_of_with_the_variable(
    url: str, name: str, variable: str, tmp_path: Path
) -> None:
    """Everybody can see it in the list of processes; the shell remembers it, too."""
    done = run(tmp_path, "topics", "list", "--bus", url)

    warning, refusal = done.stderr.decode().splitlines()
    assert done.returncode == 4
    assert warning.startswith(f"worker: warning: everybody on this machine can read the {name} in --bus; ")
    assert warning.endswith(f"environment variable {variable}, or in a file that {variable}_FILE names")
    assert refusal.startswith("worker: ")
    assert b"planted" not in done.stderr


def test_what_cannot_be_read_of_a_command_line_is_told_without_its_secrets(tmp_path: Path) -> None:
    """A flag that is misspelt stands in a log soon."""
    done = run(tmp_path, "topics", "list", "--bsu=nats://me:planted@127.0.0.1:1")

    assert done.returncode == 2
    assert b"--bsu=nats://me:***@127.0.0.1:1" in done.stderr


def test_an_address_in_the_environment_is_not_warned_of(tmp_path: Path) -> None:
    """That is where it belongs."""
    done = run(tmp_path, "topics", "list", environ={"PARTITA_BUS": f"{CLEAR}&sasl_plain_password=planted"})

    assert "in clear text; use SASL_SSL" in paragraph(done)


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"PARTITA_BUS_FILE": "no-such-file"}, "no-such-file cannot be read"),
        ({"PARTITA_BUS_FILE": "file", "PARTITA_BUS": "memory://"}, "are both in the environment; give one"),
    ],
)
def test_a_file_that_cannot_hold_the_address_is_refused(
    environ: dict[str, str], told: str, tmp_path: Path
) -> None:
    """It is a setting, so it ends with 4."""
    done = run(tmp_path, "topics", "list", environ={"PARTITA_BUS": "", **environ})

    assert done.returncode == 4
    assert told in paragraph(done)


def test_the_file_of_the_address_is_where_config_show_says_that_it_comes_from(tmp_path: Path) -> None:
    """Its secrets are not shown."""
    (tmp_path / "address").write_text(
        "kafka://127.0.0.1:1?security_protocol=SASL_SSL&sasl_plain_username=otto&sasl_plain_password=planted\n"
    )

    done = run(tmp_path, "config", "show", environ={"PARTITA_BUS": "", "PARTITA_BUS_FILE": "address"})

    lines = done.stdout.decode().splitlines()
    assert "kafka://127.0.0.1:1  (PARTITA_BUS_FILE in the environment)" in next(
        line for line in lines if line.startswith("bus ")
    )
    assert b"planted" not in done.stdout + done.stderr
