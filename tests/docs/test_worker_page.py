"""The page of the worker command says what the code does: commands, flags, paths, signals, exit codes."""

import re
from pathlib import Path

from partita_worker.arguments import running
from partita_worker.cli import COMMANDS
from partita_worker.endpoint.answers import Answer
from partita_worker.endpoint.pages import Pages
from partita_worker.endpoint.requests import Request
from partita_worker.exits import ExitCode
from partita_worker.signals import SIGNALS

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "worker.md").read_text()
CODE = re.compile(r"`([^`]*)`")


def table(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    section = PAGE.partition(f"{heading}\n")[2]
    rows = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]


def test_every_command_is_named() -> None:
    """And none that there is not."""
    named = {CODE.findall(row[0])[0].split()[0] for row in table("# The worker command")}

    assert named == set(COMMANDS)


def test_every_flag_of_run_stands_beside_its_variable() -> None:
    """As the code has both."""
    told = {CODE.findall(row[0])[0].split()[0]: CODE.findall(row[1])[0] for row in table("## Flags of `run`")}

    assert told == {each.flag: each.variable for each in running.RUN}


def test_every_path_of_the_endpoint_is_told() -> None:
    """The endpoint itself lists its pages for whoever asks for another one."""

    def nobody_looks() -> Answer:
        raise AssertionError

    answer = Pages(nobody_looks, tuple).respond(Request("/"))  # type: ignore[arg-type] # it is not called

    assert re.findall(r"/\w+", answer.body) == [
        CODE.findall(row[0])[0] for row in table("## Health and metrics")
    ]


def test_every_signal_is_told() -> None:
    """By its name."""
    told = {name for row in table("## Signals") for name in re.findall(r"SIG\w+", row[0])}

    assert told >= {each.name for each in SIGNALS}


def test_every_exit_code_is_told_with_its_meaning() -> None:
    """In the words of the help."""
    told = {row[0]: row[1].replace("`", "") for row in table("## Exit codes")}

    assert told.pop("128+n")
    assert told == {str(int(code)): code.meaning for code in ExitCode}
