"""Peers in Go: the programs in the folder golang/, built where Go is installed."""

import shutil
from pathlib import Path

from tests.benchmarks.peers.programs import PeerFailed, kept, output

SOURCE = Path(__file__).with_name("golang")
BUILD_SECONDS = 600.0


def built(program: str) -> Path:
    """
    The program in golang/*program*, built from the Go module proxy or from Go's own cache.

    Raises:
        PeerFailed: there is no Go, or the program could not be built.
    """
    go = shutil.which("go")
    if go is None:
        raise PeerFailed("there is no go on the PATH")
    made = kept("golang") / program
    output(f"go build {program}", [go, "build", "-o", str(made), f"./{program}"], BUILD_SECONDS, SOURCE)
    return made
