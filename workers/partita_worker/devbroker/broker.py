"""Broker: one local server, started, asked and stopped by whoever knows its kind and port."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from partita_worker.devbroker.errors import BrokerError, PortTaken
from partita_worker.devbroker.kafka import Kafka
from partita_worker.devbroker.nats import Nats
from partita_worker.devbroker.ports import HOST, port_is_free
from partita_worker.devbroker.processes import POLL_SECONDS, birth, end, launch
from partita_worker.devbroker.state import BrokerState, Registry

LOG = "server.log"

log = logging.getLogger(__name__)


class BrokerKind(Protocol):
    """
    What differs between servers.

    Attributes:
        name: the scheme of its address.
        title: how people call it.
        default_port: where its clients look for it.
        start_seconds: how long it may take until it answers.
        stop_seconds: how long it may take to end.
    """

    name: str
    title: str
    default_port: int
    start_seconds: float
    stop_seconds: float

    def command(self, folder: Path, port: int, say: Callable[[str], None]) -> Sequence[str]:
        """What starts the server in *folder*. Raises BrokerError."""
        ...

    def answers(self, port: int) -> bool:
        """Whether the server is ready for clients."""
        ...


KINDS: Mapping[str, BrokerKind] = {"kafka": Kafka(), "nats": Nats()}


class Broker:
    """
    One local server.

    Args:
        kind: which server.
        port: where on 127.0.0.1.
        registry: remembers it.
        folder: where its data is; default: a folder of the registry's, by kind and port.
        say: takes a line about what takes long; default: the log.
    """

    def __init__(
        self,
        kind: BrokerKind,
        port: int,
        registry: Registry,
        folder: Path | None = None,
        say: Callable[[str], None] = log.info,
    ) -> None:
        self.kind, self.port = kind, port
        self.folder = (folder or registry.folder(kind.name, port)).absolute()
        self._folder_was_named = folder is not None
        self._registry, self._say = registry, say

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"{HOST}:{self.port}"

    @property
    def state(self) -> BrokerState | None:
        """What is known of it while it runs; None while it does not."""
        return self._registry.find(self.kind.name, self.port)

    def start(self) -> BrokerState:
        """
        Start it with the data it has, and wait until it answers. One that runs already is left alone.

        Raises:
            BrokerError: it cannot be started; nothing is left running.
        """
        if (there := self.state) is not None:
            self._check_folder(there)
            return there
        if not port_is_free(self.port):
            raise PortTaken(self.kind.title, self.port)
        self._check_data_unused()
        try:
            (self.folder / "data").mkdir(parents=True, exist_ok=True)
            command = self.kind.command(self.folder, self.port, self._say)
            return self._launch(command)
        except OSError as error:
            raise BrokerError(f"{self.kind.title} cannot be started in {self.folder}: {error}") from error

    def stop(self) -> None:
        """Stop it in good order, or by force when it does not hear. Its data stays."""
        if (state := self.state) is not None:
            end(state.pid, state.born, self.kind.stop_seconds)
            self._registry.forget(state)

    def _launch(self, command: Sequence[str]) -> BrokerState:
        pid = launch(command, self.folder, self.folder / LOG)
        state = BrokerState(self.kind.name, self.port, pid, birth(pid) or "", str(self.folder))
        try:
            self._registry.save(state)
            self._wait_until_it_answers(state)
        except BaseException:
            # Started and not yet answering, when Ctrl-C or a failure comes: nobody was told of it, so
            # it must not stay.
            end(pid, state.born, self.kind.stop_seconds)
            self._registry.forget(state)
            raise
        return state

    def _wait_until_it_answers(self, state: BrokerState) -> None:
        deadline = time.monotonic() + self.kind.start_seconds
        path = self.folder / LOG
        while not self.kind.answers(self.port):
            if birth(state.pid) is None:
                raise BrokerError(f"{self.kind.title} ended before it answered; its log says why: {path}")
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"{self.kind.title} did not answer within {self.kind.start_seconds:g} s; see {path}"
                )
            time.sleep(POLL_SECONDS)
        if birth(state.pid) is None:
            # Somebody else took the port in between, and it was they who answered.
            raise PortTaken(self.kind.title, self.port)

    def _check_folder(self, there: BrokerState) -> None:
        if self._folder_was_named and Path(there.folder) != self.folder:
            raise BrokerError(
                f"{there.url} is up already and keeps its data in {there.folder}; stop it with "
                f"'worker broker down {there.kind}', or choose another port with --port"
            )

    def _check_data_unused(self) -> None:
        for other in self._registry.running():
            if Path(other.folder) == self.folder:
                raise BrokerError(
                    f"{self.folder} is in use by {other.url}; choose another folder with --data"
                )
