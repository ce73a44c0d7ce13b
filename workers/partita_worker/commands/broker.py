"""`worker broker`: a real Kafka or NATS on this machine."""

import argparse
import sys
from pathlib import Path

from partita_worker.devbroker.broker import KINDS, Broker
from partita_worker.devbroker.errors import BrokerError
from partita_worker.devbroker.state import BrokerState, Registry, state_root
from partita_worker.exits import ExitCode
from partita_worker.failures import UsageError


def execute(arguments: argparse.Namespace) -> ExitCode:
    """
    Do what the verb says.

    Raises:
        UsageError: a broker cannot be started or stopped.
    """
    registry = Registry(state_root())
    try:
        match arguments.verb:
            case "up":
                up(registry, arguments)
            case "down":
                down(registry, arguments.kind)
            case _:
                status(registry)
    except BrokerError as error:
        raise UsageError(str(error)) from error
    return ExitCode.OK


def up(registry: Registry, arguments: argparse.Namespace) -> None:
    """Start a broker, or say that it is up. Raises BrokerError."""
    kind = KINDS[arguments.kind]
    folder = Path(arguments.data).expanduser() if arguments.data else None
    broker = Broker(kind, arguments.port or kind.default_port, registry, folder, _tell)
    was_up = broker.state is not None
    state = broker.start()
    print(f"{state.url} is up{' already' if was_up else ''}")
    print(f"its data is in {state.folder}")
    print(f"'worker broker down {state.kind}' stops it and keeps the data")


def status(registry: Registry) -> None:
    """Print each broker that runs on a line."""
    running = registry.running()
    for state in running:
        answers = KINDS[state.kind].answers(state.port)
        heard = "is up" if answers else "runs and does not answer"
        print(f"{state.url} {heard}, process {state.pid}, its data is in {state.folder}")
    if not running:
        print("no broker is up; 'worker broker up kafka' or 'worker broker up nats' starts one")


def down(registry: Registry, kind: str | None) -> None:
    """Stop the brokers of a kind, or all. Raises BrokerError."""
    stopped = [state for state in registry.running() if kind in (None, state.kind)]
    for state in stopped:
        _stop(registry, state)
    if not stopped:
        print(f"no {kind or 'broker'} is up")


def _stop(registry: Registry, state: BrokerState) -> None:
    Broker(KINDS[state.kind], state.port, registry).stop()
    print(f"{state.url} is down; its data stays in {state.folder}")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
