"""
Every Python block and every command in README and docs is run.

A `python` block runs in a process of its own. A `console` block is a session in a folder with the
examples and the README: each `$ ` line is run, and what stands below it is compared with what it prints,
where `...` stands for anything. Log lines are left out. Ports of the docs are replaced by free ones.
"""

import contextlib
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORTS = ("9092", "4222", "8080")


@attrs.frozen
class Block:
    """A fenced block: where it is, its language, and its text."""

    page: str
    line: int
    language: str
    text: str


def blocks(language: str) -> list[Block]:
    """All blocks of a language, in all pages."""
    return [
        Block(str(page.relative_to(ROOT)), text.count("\n", 0, found.start()) + 1, language, found[2])
        for page in PAGES
        for text in [page.read_text()]
        for found in FENCE.finditer(text)
        if found[1] == language
    ]


def named(block: Block) -> str:
    """The id of a block in test names."""
    return f"{block.page}:{block.line}"


def steps(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a session with the lines that it should print."""
    command, expected = "", list[str]()
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, expected
            command, expected = line[2:], []
        else:
            expected.append(line)
    yield command, expected


def matches(expected: list[str], printed: list[str]) -> bool:
    """Whether the output is what the docs say: `...` alone is any lines, within a line anything."""
    if not expected:
        return not printed
    if expected[0] == "...":
        return any(matches(expected[1:], printed[start:]) for start in range(len(printed) + 1))
    pattern = ".*".join(map(re.escape, expected[0].split("...")))
    fits = bool(printed) and re.fullmatch(pattern, printed[0].rstrip()) is not None
    return fits and matches(expected[1:], printed[1:])


@pytest.fixture(scope="module")
def free_ports() -> dict[str, str]:
    """A free port for each port that the docs name."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    ports = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return dict(zip(PORTS, ports, strict=True))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Path]:
    """A folder as a reader has it, and its brokers put down at the end."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shutil.copy(ROOT / "README.md", tmp_path)
    yield tmp_path
    for kind in ("kafka", "nats"):
        run(f"worker broker down {kind}", tmp_path)
    for file in tmp_path.glob("*.pid"):
        with contextlib.suppress(ProcessLookupError):  # as it should be: the session has ended it
            os.kill(int(file.read_text()), signal.SIGKILL)


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command line as the reader would, with this interpreter's `worker` first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "XDG_STATE_HOME": str(folder / "state")}
    return subprocess.run(
        command, shell=True, capture_output=True, text=True, cwd=folder, env=environment, timeout=120
    )


@pytest.mark.parametrize("block", blocks("python"), ids=named)
def test_a_python_block_runs(block: Block, tmp_path: Path) -> None:
    """What the docs show as Python runs as it stands."""
    (tmp_path / "block.py").write_text(block.text)

    done = subprocess.run(
        [sys.executable, "-W", "error", "block.py"], capture_output=True, text=True, cwd=tmp_path
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", blocks("console"), ids=named)
def test_a_session_prints_what_the_docs_show(block: Block, session: Path, free_ports: dict[str, str]) -> None:
    """Each command succeeds, or fails where its exit code is shown, with the output that is shown."""
    text = block.text
    for documented, free in free_ports.items():
        text = text.replace(f":{documented}", f":{free}").replace(f"-{documented}", f"-{free}")
        text = text.replace(f"port {documented}", f"port {free}")
    text = text.replace("broker up kafka", f"broker up kafka --port {free_ports['9092']}")
    text = text.replace("broker up nats", f"broker up nats --port {free_ports['4222']}")

    for command, expected in steps(text):
        done = run(command, session)
        said = [line for line in done.stderr.splitlines() if line.startswith("worker: ")]
        printed = [*done.stdout.rstrip().splitlines(), *said]
        assert matches(expected, printed), f"{command}\n{done.stdout}{done.stderr}"


def test_every_command_line_of_the_docs_is_in_a_session() -> None:
    """No `worker` command stands in a block that nobody runs."""
    loose = [
        f"{page.name}: {line}"
        for page in PAGES
        for text in [FENCE.sub("", page.read_text())]
        for line in text.splitlines()
        if line.lstrip().startswith(("$ worker", "worker run", ".venv/bin/worker"))
    ]

    assert loose == []


def test_the_readme_names_the_lines_that_ci_runs() -> None:
    """The README's set-up line for tests is the one in .ci/run, and its first line sets the job up."""
    readme, script = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "run").read_text()
    line = "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest -n 3"

    assert line in readme
    assert line in script
    assert shlex.split(
        "python3 -m venv .venv && .venv/bin/pip install -e . && "
        ".venv/bin/worker run examples.wordcount:router --feed lines=README.md --burst"
    ) in [shlex.split(line) for line in readme.splitlines() if line.startswith("python3 -m venv")]
