"""Starting, recognising and ending processes that outlive their starter."""

import signal
import subprocess
import sys
from pathlib import Path

from partita_worker.devbroker.processes import birth, birth_in, end, is_alive, launch, send, wait_end

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
DEAF = [*SLEEP[:2], f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP[2]}"]


def started(command: list[str], folder: Path) -> tuple[int, str]:
    """A program that runs, and its birth."""
    pid = launch(command, folder, folder / "log")
    born = birth(pid)
    assert born is not None
    while not (folder / "log").read_bytes():
        wait_end(pid, born, 0.01)
    return pid, born


def test_a_launched_program_has_a_session_of_its_own_and_logs_to_its_file(tmp_path: Path) -> None:
    """It outlives the shell that started it, because no signal of that shell's session reaches it."""
    pid, born = started(SLEEP, tmp_path)

    session = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[3])
    end(pid, born, 5.0)

    assert session == pid
    assert (tmp_path / "log").read_bytes() == b"up\n"


def test_ending_a_program_waits_until_it_is_gone(tmp_path: Path) -> None:
    """After `end` nothing of the program is left."""
    pid, born = started(SLEEP, tmp_path)
    assert is_alive(pid, born)

    end(pid, born, 5.0)

    assert not is_alive(pid, born)
    assert birth(pid) is None


def test_a_program_that_does_not_hear_is_killed(tmp_path: Path) -> None:
    """A program that ignores SIGTERM ends all the same, when its patience has passed."""
    pid, born = started(DEAF, tmp_path)

    end(pid, born, 0.05)

    assert wait_end(pid, born, 5.0)


def test_a_frozen_program_is_ended(tmp_path: Path) -> None:
    """A program that was stopped with SIGSTOP hears of its end."""
    pid, born = started(SLEEP, tmp_path)
    send(pid, born, signal.SIGSTOP)

    end(pid, born, 5.0)

    assert not is_alive(pid, born)


def test_a_later_process_with_the_same_id_is_left_alone(tmp_path: Path) -> None:
    """Whoever has the id now and was born at another time gets no signal."""
    pid, born = started(SLEEP, tmp_path)

    end(pid, "some other time", 5.0)

    assert is_alive(pid, born)
    end(pid, born, 5.0)


def test_a_process_that_has_ended_has_no_birth() -> None:
    """One that another parent has not collected yet counts as gone, unless its threads still end."""
    fields = ["S", *["0"] * 16, "1", "0", "4711"]
    running = f"7 (a name) with) spaces) {' '.join(fields)}"

    assert birth_in(running) == "4711"
    assert birth_in(running.replace(") S", ") Z")) is None
    fields[0], fields[17] = "Z", "9"
    assert birth_in(f"7 (name) {' '.join(fields)}") == "4711"


def test_a_child_of_somebody_else_is_recognised() -> None:
    """A process that this one did not launch has a birth, and none when it is gone."""
    child = subprocess.Popen(SLEEP, stdout=subprocess.DEVNULL)
    born = birth(child.pid)

    child.kill()
    child.wait()

    assert born is not None
    assert birth(child.pid) is None
