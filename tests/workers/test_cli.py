"""The command line as a whole: help, usage, and the words for what cannot be done."""

import re
from pathlib import Path

import pytest
from tests.workers.running import paragraph, run

from partita_worker.cli import COMMANDS, conclude, main
from partita_worker.exits import ExitCode

MISTYPED = "kafka://127.0.0.1:9092?sesion_timeout_ms=6000"


def test_help_names_every_command_and_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever looks for something finds it without the documentation."""
    with pytest.raises(SystemExit) as caught:
        main(["--help"])

    told = capsys.readouterr().out
    assert caught.value.code == 0
    assert all(re.search(rf"^ +{name} ", told, re.MULTILINE) for name in COMMANDS)
    assert all(f"  {code}  " in told for code in map(int, ExitCode))


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_and_can_be_loaded(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The table of commands names modules and functions that exist."""
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])

    assert caught.value.code == 0
    assert callable(COMMANDS[name].load())


@pytest.mark.parametrize("argv", [[], ["frobnicate"], ["run"], ["topics"], ["broker", "up", "rabbit"]])
def test_a_malformed_command_line_ends_with_usage(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and the usage of the command."""
    with pytest.raises(SystemExit) as caught:
        main(argv)

    assert caught.value.code == 2
    assert "usage: worker" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["publish", "orders"],
        ["publish", "orders", "--bus", "memory://shared"],
        ["tail", "orders"],
        ["topics", "list"],
        ["topics", "create", "orders"],
        ["topics", "delete", "orders"],
    ],
)
def test_a_command_for_other_processes_refuses_memory(arguments: list[str], tmp_path: Path) -> None:
    """Nothing that ran on memory would reach anybody; the text names what starts a broker."""
    done = run(tmp_path, *arguments)

    assert done.returncode == 2
    assert "worker broker up" in paragraph(done)


@pytest.mark.parametrize(
    ("bus", "code", "told"),
    [
        ("kafak://127.0.0.1:9092", 4, "did you mean 'kafka'?"),
        ("127.0.0.1:9092", 4, "kafka://"),
        (MISTYPED, 4, "did you mean 'session_timeout_ms'?"),
        ("kafka://127.0.0.1:1", 3, "worker broker up kafka"),
        ("nats://127.0.0.1:1", 3, "worker broker up nats"),
    ],
)
@pytest.mark.parametrize(
    "arguments",
    [["publish", "orders"], ["tail", "orders"], ["topics", "list"], ["topics", "create", "orders"]],
)
def test_a_bus_that_cannot_be_used_is_told(
    arguments: list[str], bus: str, code: int, told: str, tmp_path: Path
) -> None:
    """One paragraph with the way out, the exit code that says which kind it is, no traceback."""
    done = run(tmp_path, *arguments, "--bus", bus)

    assert done.returncode == code
    assert told in paragraph(done)


def test_the_bus_may_come_from_the_environment(tmp_path: Path) -> None:
    """PARTITA_BUS stands for --bus, and an error says so as well as for the flag."""
    done = run(tmp_path, "topics", "list", environ={"PARTITA_BUS": "kafak://"})

    assert done.returncode == 4
    assert "'kafak'" in paragraph(done)


def test_an_error_nobody_foresaw_is_shown_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 is a bug, and a bug needs its place."""
    try:
        raise ZeroDivisionError("a bug")
    except ZeroDivisionError as error:
        code = conclude(error, None)

    assert code == 1
    assert "test_cli.py" in capsys.readouterr().err
