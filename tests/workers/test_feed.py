"""Feeding a file: what is asked for, the progress that a person sees, and the silence that a pipe gets."""

import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest
from tests.workers.running import command, running

from partita_worker.feed import Feed, parse_feed, progress_line

MODULE = (
    "from partita import Router\nrouter = Router()\n"
    "@router.handler('lines')\nasync def handle(line: bytes) -> None: pass\n"
)


@pytest.mark.parametrize(
    ("text", "feed"),
    [
        ("lines=README.md", Feed("lines", "README.md")),
        ("lines=-", Feed("lines", "-")),
        ("lines=a=b.txt", Feed("lines", "a=b.txt")),
    ],
)
def test_a_feed_is_a_topic_and_a_file(text: str, feed: Feed) -> None:
    """What stands before the first = is the topic."""
    assert parse_feed(text) == feed


@pytest.mark.parametrize("text", ["", "lines", "lines=", "=README.md"])
def test_a_malformed_feed_says_what_to_give(text: str) -> None:
    """The error names the form."""
    with pytest.raises(ValueError, match="give TOPIC=FILE"):
        parse_feed(text)


def test_the_bar_fills_with_the_share_that_was_sent() -> None:
    """Thirty places and a percentage; without a known size the count alone."""
    assert progress_line("feeding lines", 5, 50, 100) == (
        "feeding lines [###############               ]  50% 5 lines"
    )
    assert progress_line("feeding lines", 9, 120, 100) == f"feeding lines [{'#' * 30}] 100% 9 lines"
    assert progress_line("feeding lines", 7, 70, 0) == "feeding lines: 7 lines"


def stderr_of_a_feed(folder: Path, *, terminal: bool) -> str:
    """What a burst over ten lines writes to its standard error."""
    (folder / "takes.py").write_text(MODULE)
    (folder / "lines.txt").write_text("a line\n" * 10)
    arguments = ("run", "takes:router", "--feed", "lines=lines.txt", "--burst", "--log-level", "error")
    reading, writing = pty.openpty() if terminal else os.pipe()
    done = subprocess.run(
        command(*arguments), cwd=folder, stderr=writing, stdout=subprocess.PIPE, timeout=60, check=False
    )
    os.close(writing)
    assert done.returncode == 0
    said = b""
    try:
        while chunk := os.read(reading, 65536):
            said += chunk
    except OSError:
        pass  # a terminal whose other end is closed says so with an error
    os.close(reading)
    return said.decode()


def test_a_terminal_is_shown_the_progress(tmp_path: Path) -> None:
    """The last bar is full."""
    said = stderr_of_a_feed(tmp_path, terminal=True)

    assert f"feeding lines [{'#' * 30}] 100% 10 lines" in said


def test_a_pipe_gets_silence(tmp_path: Path) -> None:
    """Not a byte."""
    assert stderr_of_a_feed(tmp_path, terminal=False) == ""


def test_a_line_of_a_pipe_is_handled_while_the_pipe_stays_open(tmp_path: Path) -> None:
    """Nothing waits for more to come; and the worker ends although nobody closes the pipe."""
    (tmp_path / "takes.py").write_text(MODULE.replace("pass", "print('got', line.decode(), flush=True)"))
    reading, writing = os.pipe()

    with running(tmp_path, "run", "takes:router", "--feed", "lines=-", stdin=reading) as worker:
        for value in ("one", "two"):
            os.write(writing, f"{value}\n".encode())
            worker.says(f"got {value}")
        worker.send(signal.SIGTERM)
        code = worker.ends()
    os.close(reading)
    os.close(writing)

    assert code == 0
