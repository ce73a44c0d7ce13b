"""From errors to exit codes."""

import errno

import pytest
from aiokafka.errors import GroupAuthorizationFailedError

from partita import (
    Closed,
    MessageTooLarge,
    PartitaError,
    RestartLimitReached,
    RouteError,
    SettingsError,
    TopicMissing,
)
from partita_worker.devbroker.errors import ExtraMissing
from partita_worker.exits import ExitCode
from partita_worker.failures import BrokerRefused, ImportFailed, SettingRefused, UsageError
from partita_worker.verdicts import judge


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("no"), ExitCode.USAGE),
        (ImportFailed("no"), ExitCode.USAGE),
        (BrokerRefused("no"), ExitCode.USAGE),
        (SettingRefused("no"), ExitCode.SETTINGS),
        (SettingsError("no"), ExitCode.SETTINGS),
        (RouteError("no"), ExitCode.USAGE),
        (TopicMissing("orders"), ExitCode.USAGE),
        (MessageTooLarge("orders", 2, 1), ExitCode.FAILED_MESSAGES),
        (RestartLimitReached("poller", 5, 60), ExitCode.SUPERVISOR_GAVE_UP),
        (ExtraMissing("Kafka"), ExitCode.USAGE),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "words.txt"), ExitCode.USAGE),
    ],
)
def test_each_foreseen_error_has_its_exit_code_and_keeps_its_text(error: Exception, code: ExitCode) -> None:
    """Scripts tell by the code what went wrong; people read the text."""
    verdict = judge(ExceptionGroup("tasks", [ExceptionGroup("tasks", [error])]))

    assert verdict is not None
    assert verdict.code is code
    assert verdict.text
    if isinstance(error, PartitaError):
        assert str(error) in verdict.text


@pytest.mark.parametrize("error", [ZeroDivisionError("bug"), Closed("bug"), OSError(5, "bug")])
def test_what_nobody_foresaw_keeps_its_traceback(error: Exception) -> None:
    """A bug is shown as one."""
    assert judge(error, "memory://") is None
    assert judge(error) is None


def test_several_errors_at_once_are_not_taken_for_one_of_them() -> None:
    """A group of two is not explained by its first."""
    assert judge(ExceptionGroup("tasks", [UsageError("a"), UsageError("b")])) is None


def test_a_supervisor_that_gave_up_tells_the_last_error() -> None:
    """The text names the child and what happened to it."""
    error = RestartLimitReached("poller", 5, 60)
    error.__cause__ = ConnectionResetError("gone")

    verdict = judge(error)

    assert verdict is not None
    assert "poller" in verdict.text
    assert "ConnectionResetError: gone" in verdict.text


@pytest.mark.parametrize("scheme", ["kafka", "nats"])
def test_a_refused_connection_is_a_broker_that_does_not_answer(scheme: str) -> None:
    """The text names the address without its secrets, and how to start a broker."""
    verdict = judge(ConnectionRefusedError("refused"), f"{scheme}://127.0.0.1:1")

    assert verdict is not None
    assert verdict.code is ExitCode.UNREACHABLE
    assert f"{scheme}://127.0.0.1:1" in verdict.text
    assert f"worker broker up {scheme}" in verdict.text


def test_each_exit_code_has_a_meaning_and_its_documented_number() -> None:
    """Numbers are a promise."""
    assert [(code.name, int(code)) for code in ExitCode] == [
        ("OK", 0),
        ("BUG", 1),
        ("USAGE", 2),
        ("UNREACHABLE", 3),
        ("SETTINGS", 4),
        ("DRAIN_DEADLINE", 5),
        ("SUPERVISOR_GAVE_UP", 6),
        ("FAILED_MESSAGES", 7),
        ("UNHEALTHY", 8),
        ("NO_WORKER", 9),
        ("BEHIND", 10),
    ]
    assert all(code.meaning for code in ExitCode)


def test_what_the_broker_does_not_allow_is_told_with_what_it_needs() -> None:
    """A missing access rule is nobody's bug: there is no traceback, and the rule is named."""
    error = GroupAuthorizationFailedError("billing")
    error.add_note("this needs READ on the group 'billing'")

    verdict = judge(error, "kafka://127.0.0.1:9092?sasl_plain_password=planted&security_protocol=SASL_SSL"
                           "&sasl_plain_username=otto")  # fmt: skip

    assert verdict is not None
    assert verdict.code == ExitCode.USAGE
    assert "GroupAuthorizationFailedError" in verdict.text
    assert verdict.text.endswith("this needs READ on the group 'billing'")
    assert "planted" not in verdict.text
