"""Secrets that were planted are found nowhere: not in logs, traces, metrics, health, errors or texts."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

from tests.security.broker import PASSWORD, USER, Secure
from tests.security.tokens import token

ROOT = Path(__file__).parents[2]


def test_planted_secrets_are_in_nothing_that_a_program_prints_at_debug(
    secure: Secure, tmp_path: Path
) -> None:
    """Row 98: with all loggers at DEBUG, and with errors printed together with what each function held."""
    wrong, bearer, payload = "planted-wrong-password", token(-60), "planted-payload"
    files = {"password": PASSWORD, "wrong": wrong, "token": bearer}
    for name, secret in files.items():
        (tmp_path / name).write_text(secret)
    user = {"sasl_plain_username": USER}
    works = secure.url("sasl", sasl_mechanism="PLAIN", sasl_plain_password_file=tmp_path / "password", **user)
    others = [
        secure.url("sasl", sasl_mechanism="PLAIN", **user),
        secure.url(
            "sasl", sasl_mechanism="SCRAM-SHA-256", sasl_plain_password_file=tmp_path / "wrong", **user
        ),
        secure.url("sasl", sasl_mechanism="OAUTHBEARER", sasl_oauth_token_file=tmp_path / "token"),
    ]

    done = subprocess.run(
        [sys.executable, "-m", "tests.security.telling", works, f"secrets.{uuid.uuid4().hex[:8]}", *others],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PARTITA_KAFKA_SASL_PLAIN_PASSWORD": wrong, "PLANTED": payload},
    )  # fmt: skip

    told = done.stdout + done.stderr
    assert done.returncode == 0, told[-3000:]
    assert "DEBUG" in told
    assert "a handler that fails" in told
    assert told.count("refused the login by") >= 3
    for secret in (PASSWORD, wrong, bearer, payload):
        lines = [line[:300] for line in told.splitlines() if secret in line]
        assert lines == [], lines
