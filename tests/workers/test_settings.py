"""A flag, else its variable, else the default."""

import argparse
from collections.abc import Mapping

import pytest

from partita_worker.arguments import running
from partita_worker.cli import COMMANDS
from partita_worker.failures import SettingRefused
from partita_worker.settings import fill_in


def settle(*given: str, environ: Mapping[str, str] | None = None) -> argparse.Namespace:
    """What `worker run` is told by flags and environment together."""
    parser = argparse.ArgumentParser()
    running.run(parser)
    parsed = parser.parse_args(["app:router", *given])
    fill_in(parsed, running.RUN, environ or {})
    return parsed


def test_defaults_hold_when_nothing_is_given() -> None:
    """A run needs a target and nothing else."""
    parsed = settle()

    assert (parsed.bus, parsed.group, parsed.app_dir) == ("memory://", None, ".")
    assert (parsed.burst, parsed.trace, parsed.create_topics) == (False, False, False)
    assert (parsed.drain_timeout, parsed.log_level, parsed.log_format) == (30.0, "info", "text")
    assert parsed.feed == ()


def test_each_flag_of_run_has_a_variable() -> None:
    """What can be typed can be set in the environment."""
    environ = {
        "PARTITA_BUS": "nats://127.0.0.1:4222",
        "PARTITA_GROUP": "words",
        "PARTITA_APP_DIR": "/app",
        "PARTITA_FEED": "lines=-",
        "PARTITA_BURST": "1",
        "PARTITA_CREATE_TOPICS": "yes",
        "PARTITA_TRACE": "false",
        "PARTITA_DRAIN_TIMEOUT": "2.5",
        "PARTITA_HEALTH_PORT": "0",
        "PARTITA_PROCESSES": "2",
        "PARTITA_CONTROL_SOCKET": "off",
        "PARTITA_HEALTH_HOST": "::1",
        "PARTITA_MAX_LAG": "10",
        "PARTITA_MAX_AGE": "2.5",
        "PARTITA_HEARTBEAT_TOPIC": "beats",
        "PARTITA_HEARTBEAT_INTERVAL": "2",
        "PARTITA_LOG_LEVEL": "debug",
        "PARTITA_LOG_FORMAT": "json",
    }

    parsed = settle(environ=environ)

    assert set(environ) == {setting.variable for setting in running.RUN}
    assert (parsed.bus, parsed.group, parsed.app_dir) == ("nats://127.0.0.1:4222", "words", "/app")
    assert (parsed.burst, parsed.trace, parsed.create_topics) == (True, False, True)
    assert (parsed.drain_timeout, parsed.log_level, parsed.log_format) == (2.5, "debug", "json")
    assert parsed.feed == ("lines=-",)


def test_a_flag_wins_over_its_variable() -> None:
    """Whoever types something means it."""
    environ = {"PARTITA_GROUP": "environment", "PARTITA_FEED": "a=b", "PARTITA_BURST": "0"}

    parsed = settle("--group", "flag", "--feed", "c=d", "--feed", "e=f", "--burst", environ=environ)

    assert (parsed.group, parsed.feed, parsed.burst) == ("flag", ["c=d", "e=f"], True)


def test_an_empty_variable_counts_as_not_set() -> None:
    """Containers pass variables on that nobody has set."""
    assert settle(environ={"PARTITA_DRAIN_TIMEOUT": "", "PARTITA_BURST": ""}).drain_timeout == 30.0


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("PARTITA_DRAIN_TIMEOUT", "soon"),
        ("PARTITA_DRAIN_TIMEOUT", "nan"),
        ("PARTITA_DRAIN_TIMEOUT", "-1"),
        ("PARTITA_LOG_LEVEL", "loud"),
        ("PARTITA_BURST", "maybe"),
        ("PARTITA_FEED", "lines"),
    ],
)
def test_a_variable_that_cannot_be_used_is_refused_by_name(variable: str, text: str) -> None:
    """The text names the variable and what it held."""
    with pytest.raises(SettingRefused, match=f"{variable} in the environment: '{text}'"):
        settle(environ={variable: text})


@pytest.mark.parametrize(
    "given",
    [
        ["--drain-timeout", "soon"],
        ["--feed", "lines"],
        ["--feed", "=file"],
        ["--feed", "topic="],
        ["--log-level", "loud"],
        ["--bu", "memory://"],
    ],
)
def test_a_malformed_flag_ends_with_usage(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and the text names the flag."""
    with pytest.raises(SystemExit) as caught:
        settle(*given)

    assert caught.value.code == 2
    assert given[0] in capsys.readouterr().err


def test_settling_leaves_the_arguments_of_a_command_alone() -> None:
    """`worker publish` has a FILE of its own, which is not the settings file."""
    taken = {"settings", "settings_file", "origins", "config", "command"}
    for name, command in COMMANDS.items():
        parser = argparse.ArgumentParser()
        command.declare(parser)
        assert taken_by(parser).isdisjoint(taken - {"settings", "config"}), name


def taken_by(parser: argparse.ArgumentParser) -> set[str]:
    """The names that a command and its verbs set."""
    names: set[str] = set()
    for action in parser._actions:
        names.add(action.dest)
        for each in (action.choices or {}).values() if isinstance(action.choices, dict) else ():
            names |= taken_by(each)
    return names
