"""Which local brokers run: one small file each, so that any shell can ask and stop them."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from partita_worker.devbroker.processes import is_alive


@attrs.frozen
class BrokerState:
    """
    A broker that was started.

    Args:
        kind: "kafka" or "nats".
        port: where it listens on 127.0.0.1.
        pid: its process.
        born: when that process started, in the system's own words; tells it from a later one with its id.
        folder: where its data is.
    """

    kind: str
    port: int
    pid: int
    born: str
    folder: str

    @property
    def url(self) -> str:
        """Its address as a bus."""
        return f"{self.kind}://127.0.0.1:{self.port}"


def state_root(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's folder for the state of programs, with a place of ours in it."""
    base = environ.get("XDG_STATE_HOME", "")
    # The standard says that a relative path there is to be ignored.
    root = Path(base) if os.path.isabs(base) else Path.home() / ".local" / "state"
    return root / "partita"


class Registry:
    """
    The brokers that were started by one user.

    Args:
        root: the folder with the state files.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, kind: str, port: int) -> Path:
        """Where a broker keeps its data unless told otherwise."""
        return self._root / f"{kind}-{port}"

    def save(self, state: BrokerState) -> None:
        """Remember a broker. Raises OSError."""
        path = self._path(state.kind, state.port)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(attrs.asdict(state)), encoding="utf-8")
        fresh.replace(path)

    def forget(self, state: BrokerState) -> None:
        """Remove what was remembered; its data stays."""
        self._path(state.kind, state.port).unlink(missing_ok=True)

    def find(self, kind: str, port: int) -> BrokerState | None:
        """The broker of that kind and port, if it runs."""
        return self._living(self._path(kind, port))

    def running(self) -> Sequence[BrokerState]:
        """All that run, by kind and port."""
        found = (self._living(path) for path in sorted(self._root.glob("*-*.json")))
        return [state for state in found if state is not None]

    def _path(self, kind: str, port: int) -> Path:
        return self._root / f"{kind}-{port}.json"

    def _living(self, path: Path) -> BrokerState | None:
        state = read_state(path)
        if state is not None and not is_alive(state.pid, state.born):
            # It was killed, or the machine was started again: the number may be somebody else's now.
            self.forget(state)
            return None
        return state


def read_state(path: Path) -> BrokerState | None:
    """What a state file says; None when there is none or it is not one of ours."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        state = BrokerState(**fields)
    except (OSError, ValueError, TypeError):
        # A file that cannot be read names no process that we may touch.
        return None
    typed = isinstance(state.pid, int) and isinstance(state.port, int) and isinstance(state.born, str)
    return state if typed else None
