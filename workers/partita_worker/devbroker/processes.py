"""Processes that outlive us: start, recognise and end them."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

POLL_SECONDS = 0.05

# Whoever started a process has to collect it when it has ended; others find it gone.
_children: dict[int, "subprocess.Popen[bytes]"] = {}


def launch(command: Sequence[str], folder: Path, log: Path) -> int:
    """
    Start a program that lives on without this process, its terminal and its shell; returns its id.

    Args:
        command: program and arguments.
        folder: its working directory.
        log: takes what it prints, after what is there already.

    Raises:
        OSError: it cannot be started.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children[process.pid] = process
    return process.pid


def birth(pid: int) -> str | None:
    """When the process with this id started, in the system's own words; None when there is none."""
    born = _birth_by_proc(pid) if Path("/proc/self/stat").exists() else _birth_by_ps(pid)
    if born is None and (child := _children.pop(pid, None)) is not None:
        # It has ended, so this does not wait.
        child.wait()
    return born


def _birth_by_proc(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        # No such process, which is what was asked.
        return None
    return birth_in(stat)


def birth_in(stat: str) -> str | None:
    """
    The start time in a line of Linux' /proc/PID/stat; None when the process has ended.

    One that has ended and whose threads are still ending has not: it holds its ports.
    """
    # The second field is the program's name in brackets and may hold anything; state and the rest follow.
    fields = stat.rpartition(")")[2].split()
    state, threads, born = fields[0], int(fields[17]), fields[19]
    return None if state in "ZX" and threads <= 1 else born


def _birth_by_ps(pid: int) -> str | None:
    asked = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    state, _, born = answer.stdout.strip().partition(" ")
    return None if state.startswith("Z") else born.strip() or None


def is_alive(pid: int, born: str) -> bool:
    """Whether the process that was born then still runs."""
    return pid > 0 and birth(pid) == born


def end(pid: int, born: str, patience: float) -> None:
    """
    Ask a process to end, and kill it after *patience* seconds. Returns when it is gone.

    Raises:
        PermissionError: it is another user's.
    """
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, patience)):
        send(pid, born, number)
        # One that is stopped would not hear of it.
        send(pid, born, signal.SIGCONT)
        if wait_end(pid, born, seconds):
            return


def send(pid: int, born: str, number: signal.Signals) -> None:
    """Send a signal to the process that was born then, and to no other."""
    if is_alive(pid, born):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            # It ended in between: nobody to tell.
            return


def wait_end(pid: int, born: str, seconds: float) -> bool:
    """Wait at most that long until the process is gone; returns whether it is."""
    deadline = time.monotonic() + seconds
    while is_alive(pid, born):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
