"""A worker process under test that runs a module of the test's own."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

DEADLINE = 60.0


@attrs.define
class Running:
    """A started worker, and what it has printed so far on both outputs."""

    process: subprocess.Popen[bytes]
    lines: list[str] = attrs.field(factory=list)
    _changed: threading.Condition = attrs.field(factory=threading.Condition)

    def read(self) -> None:
        """Take in what is printed, until the end."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._changed.notify_all()

    def says(self, text: str) -> str:
        """Wait for a line that contains *text*, and return it."""
        with self._changed:
            found = self._changed.wait_for(lambda: any(text in line for line in self.lines), DEADLINE)
            assert found, f"{text!r} is not in:\n" + "\n".join(self.lines)
            return next(line for line in self.lines if text in line)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def ends(self) -> int:
        """Wait for the end; returns the exit code."""
        return self.process.wait(DEADLINE)


def command(*arguments: str) -> Sequence[str]:
    """The command line of a worker."""
    return [sys.executable, "-m", "partita_worker", *arguments]


@contextmanager
def running(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None, stdin: int | None = None
) -> Iterator[Running]:
    """Start `worker` with these arguments in *folder*; what still runs at the end is killed."""
    process = subprocess.Popen(
        command(*arguments),
        cwd=folder,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(environ or {})},
        # What a shell runs in the background ignores Ctrl-C, and passes that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    worker = Running(process)
    reader = threading.Thread(target=worker.read)
    reader.start()
    try:
        yield worker
    finally:
        process.kill()
        process.wait()
        reader.join()
        assert process.stdout is not None
        process.stdout.close()


def run(
    folder: Path, *arguments: str, given: bytes = b"", environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run `worker` to its end with *given* as its standard input."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        input=given,
        capture_output=True,
        timeout=DEADLINE,
        env={**os.environ, **(environ or {})},
        check=False,
    )


def paragraph(done: subprocess.CompletedProcess[bytes]) -> str:
    """What a command that failed had to say: one paragraph and no traceback."""
    text = done.stderr.decode()
    assert text.startswith("worker: "), text
    assert text.count("\n") == 1, text
    return text
