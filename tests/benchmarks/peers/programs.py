"""Programs that are measured beside ours, each in a process of its own."""

import os
import select
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs


class PeerFailed(Exception):
    """A program cannot be run here, or it did not measure anything; the message is a sentence."""


def output(name: str, command: Sequence[str], seconds: float, folder: Path | None = None) -> str:
    """
    What a program prints.

    Raises:
        PeerFailed: it failed, with its last words, or did not end within *seconds*.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=seconds, cwd=folder
        )
    except subprocess.TimeoutExpired as error:
        raise PeerFailed(f"{name} did not end in {seconds:.0f} s") from error
    except subprocess.CalledProcessError as error:
        words = error.stderr.strip() or error.stdout.strip() or "no reason given"
        raise PeerFailed(f"{name} failed: {words.splitlines()[-1]}") from error
    return done.stdout


@attrs.frozen
class Turns:
    """
    A program that does its work when it is told to, so that several can take turns.

    Args:
        name: what it is called.
        process: it, with pipes.
    """

    name: str
    process: "subprocess.Popen[str]"

    def take(self, line: str, seconds: float) -> str:
        """
        Say one line to it, and return the line that it answers.

        Raises:
            PeerFailed: it failed, or did not answer within *seconds*.
        """
        given, answers = self.process.stdin, self.process.stdout
        assert given is not None
        assert answers is not None
        try:
            given.write(f"{line}\n")
            given.flush()
        except BrokenPipeError:
            pass  # it has ended, and what it said of that is read below
        if not select.select([answers], [], [], seconds)[0]:
            raise PeerFailed(f"{self.name} did not answer in {seconds:.0f} s")
        if not (answer := answers.readline()):
            raise PeerFailed(f"{self.name} ended with {self.process.wait(seconds)}; its last words are above")
        return answer


@contextmanager
def taking_turns(name: str, command: Sequence[str]) -> Iterator[Turns]:
    """A program that is up inside the block."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield Turns(name, process)
        except BaseException:
            process.kill()  # whatever it does, it is not waited for
            raise


def kept(name: str) -> Path:
    """A folder of that name that outlives this run, so that a peer is fetched once."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "partita-benchmarks" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
