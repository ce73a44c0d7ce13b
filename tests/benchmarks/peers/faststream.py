"""FastStream, in a virtual environment of its own, as it brings dependencies that Partita's does not have."""

import subprocess
import sys
from pathlib import Path

from tests.benchmarks.peers.programs import kept, output

VERSION = "0.7.8"
INSTALL_SECONDS = 300.0


def python_with_faststream() -> Path:
    """
    A Python that has FastStream; made the first time.

    Raises:
        PeerFailed: it could not be installed.
    """
    folder = kept(f"faststream-{VERSION}-py{sys.version_info.major}.{sys.version_info.minor}")
    python = folder / "bin" / "python"
    if not _has_it(python):
        output("venv", [sys.executable, "-m", "venv", str(folder)], INSTALL_SECONDS)
        packages = [f"faststream[kafka]=={VERSION}", "uvloop"]
        output("FastStream", [str(python), "-m", "pip", "install", "-q", *packages], INSTALL_SECONDS)
    return python


def _has_it(python: Path) -> bool:
    if not python.exists():
        return False
    tried = subprocess.run([python, "-c", "import faststream.kafka, uvloop"], capture_output=True)
    return tried.returncode == 0
