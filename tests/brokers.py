"""Real brokers for tests: servers that a test may also kill, freeze and start again."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from partita_worker.devbroker.broker import KINDS, Broker, BrokerKind
from partita_worker.devbroker.ports import free_port
from partita_worker.devbroker.processes import send, wait_end
from partita_worker.devbroker.state import BrokerState, Registry

KILL_SECONDS = 10.0
FREEZE_LOOKS = 1000


class Server:
    """
    A server of a test's own, on one port and with one data folder for its whole life.

    Args:
        kind: "kafka" or "nats", or a kind that a test made.
        folder: an empty folder for its data.
        port: where; default: a free one.
    """

    def __init__(self, kind: str | BrokerKind, folder: Path, port: int | None = None) -> None:
        known = KINDS[kind] if isinstance(kind, str) else kind
        self._broker = Broker(known, port or free_port(), Registry(folder))

    @property
    def address(self) -> str:
        """HOST:PORT, also while it is down."""
        return self._broker.address

    @property
    def pid(self) -> int:
        """Its process, while it is up."""
        return self._state.pid

    @property
    def is_up(self) -> bool:
        """Whether its process runs."""
        return self._broker.state is not None

    def start(self) -> None:
        """Start it, with the data it has, and wait until it answers."""
        self._broker.start()

    def stop(self) -> None:
        """Stop it in good order."""
        self._broker.stop()

    def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        state = self._state
        send(state.pid, state.born, signal.SIGKILL)
        assert wait_end(state.pid, state.born, KILL_SECONDS), "the server did not die"

    def end(self) -> None:
        """Kill it if it is up."""
        if self._broker.state is not None:
            self.kill()

    def freeze(self) -> None:
        """Stop its clock: its sockets stay open and nothing answers. Waits until no thread runs any more."""
        send(self._state.pid, self._state.born, signal.SIGSTOP)
        for _ in range(FREEZE_LOOKS):
            if all(_is_stopped(task) for task in Path(f"/proc/{self.pid}/task").iterdir()):
                return
            time.sleep(0.01)
        raise AssertionError("the server did not stop")

    def thaw(self) -> None:
        """Let it go on."""
        send(self._state.pid, self._state.born, signal.SIGCONT)

    @property
    def _state(self) -> BrokerState:
        state = self._broker.state
        assert state is not None, f"the server at {self.address} is not up"
        return state


def _is_stopped(task: Path) -> bool:
    """Whether a thread is stopped; its state follows its name, which may hold anything, in parentheses."""
    return (task / "stat").read_text().rpartition(")")[2].split()[0] in "TZX"


@contextmanager
def running(kind: str, folder: Path) -> Iterator[Server]:
    """A server that is up inside the block and gone after it, whatever a test did to it."""
    server = Server(kind, folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def given_address(kind: str) -> str | None:
    """HOST:PORT of a server that runs already, from PARTITA_TEST_KAFKA or PARTITA_TEST_NATS."""
    return os.environ.get(f"PARTITA_TEST_{kind.upper()}") or None
