"""The other side: find a worker of this user's, ask it, and say in words when there is none."""

import json
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from partita_worker.control.places import folder_of, sockets_at, workers_in
from partita_worker.failures import NoWorker

SECONDS = 10.0
MOST_BYTES = 64 * 1024 * 1024


def find(path: str | None, environ: Mapping[str, str]) -> Sequence[Path]:
    """
    The sockets of the worker that is meant: the one at *path*, else the only one of this user's.

    Raises:
        NoWorker: there is none, or there are several; the text names them.
    """
    if path:
        found = sockets_at(Path(path))
        if not found:
            raise NoWorker(f"no worker is at {path}; it is started with --control-socket {path}")
        return found
    folder = folder_of(environ)
    alive = {pid: paths for pid, paths in workers_in(folder).items() if any(map(answers, paths))}
    if not alive:
        raise NoWorker(f"no worker of this user runs here (there is no living socket in {folder})")
    if len(alive) > 1:
        told = ", ".join(str(folder / f"{pid}.sock") for pid in alive)
        raise NoWorker(f"several workers run here; say which with --control-socket, one of: {told}")
    (paths,) = alive.values()
    return [each for each in paths if answers(each)]


def answers(path: Path) -> bool:
    """Whether somebody listens at a socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False  # which is the answer
        return True


def ask(path: Path, request: Mapping[str, object]) -> Mapping[str, object]:
    """
    One request; the answer may be `{"error": ...}`.

    Raises:
        NoWorker: nobody answers there.
    """
    taken = bytearray()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(SECONDS)
        try:
            asking.connect(str(path))
            asking.sendall(json.dumps(request).encode() + b"\n")
            while (piece := asking.recv(65536)) and len(taken) < MOST_BYTES:
                taken += piece
            answer = json.loads(taken)
        except (OSError, ValueError) as error:
            why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "no answer"
            raise NoWorker(
                f"the worker at {path} does not answer ({why}): it is gone, or busy; look whether it runs"
            ) from error
    if not isinstance(answer, dict):
        raise NoWorker(f"what answers at {path} is no worker")
    return answer
