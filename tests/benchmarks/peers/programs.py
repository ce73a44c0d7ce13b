"""Programs that are measured beside ours, each in a process of its own."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path


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


def kept(name: str) -> Path:
    """A folder of that name that outlives this run, so that a peer is fetched once."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "partita-benchmarks" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
