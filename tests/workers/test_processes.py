"""A worker whose handlers run in processes: Ctrl-C, a stop and a kill leave nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.workers.running import DEADLINE, command, running

CRUNCH = """
import os, time
from partita import Router

router = Router()

@router.handler("orders", run="process", order="none")
def crunch(order: bytes) -> None:
    print("crunching", order.decode(), "in", os.getpid(), flush=True)
    time.sleep({seconds})
    print("crunched", order.decode(), flush=True)
"""
FLAGS = ("run", "crunches:router", "--feed", "orders=orders.txt")


def folder_with(seconds: float, folder: Path) -> Path:
    """A folder with a module whose handler takes so long, and one message for it."""
    (folder / "crunches.py").write_text(CRUNCH.format(seconds=seconds))
    (folder / "orders.txt").write_text("one\n")
    return folder


def gone(pid: int) -> bool:
    """Whether a process has ended, within the deadline; one that is dead and not buried has."""
    status, deadline = Path(f"/proc/{pid}/stat"), time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.01)
    return False


def test_ctrl_c_at_the_terminal_lets_a_message_in_a_process_finish(tmp_path: Path) -> None:
    """The signal reaches the processes as well; they leave it to the worker, which drains and exits 0."""
    lines = list[str]()
    with subprocess.Popen(
        command(*FLAGS),
        cwd=folder_with(0.5, tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if "crunching" in line:
                os.killpg(process.pid, signal.SIGINT)
        code = process.wait(DEADLINE)

    text = "".join(lines)
    assert code == 0, text
    assert "crunched one" in text
    assert "handled 1, failed 0" in text
    assert "Traceback" not in text
    assert gone(int(next(line for line in lines if "crunching" in line).split()[-1]))


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (lambda worker: worker.send(signal.SIGTERM), 5),
        (lambda worker: worker.send(signal.SIGKILL), -signal.SIGKILL),
    ],
    ids=["drain deadline", "kill -9"],
)
def test_no_process_outlives_its_worker(ending: Callable[..., None], code: int, tmp_path: Path) -> None:
    """Neither past the drain deadline nor when the worker is killed, even in mid-handler."""
    folder = folder_with(3600, tmp_path)

    with running(folder, *FLAGS, "--drain-timeout", "0.2") as worker:
        pid = int(worker.says("crunching one").split()[-1])
        ending(worker)
        ended = worker.ends()

    assert ended == code
    assert gone(pid)


def test_a_handler_in_the_program_that_is_run_is_refused(tmp_path: Path) -> None:
    """With function, file and line, when it is decorated."""
    (tmp_path / "program.py").write_text(CRUNCH.format(seconds=0))

    done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 1
    assert "crunch (" in done.stderr
    assert "program.py:7): run='process' imports the handler in other processes" in done.stderr
