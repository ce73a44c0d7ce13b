"""`worker config show`: each setting, its value, and where that comes from."""

import argparse
import json
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl

import attrs

from partita import ClientOption, EventBus
from partita_worker.buses import CLIENTS, make_bus
from partita_worker.exits import ExitCode
from partita_worker.settings_file import SettingsFile

_WIDE = 45


@attrs.frozen
class Shown:
    """
    One line.

    Args:
        name: with the tables that it is in, such as "kafka.consumer.session_timeout_ms".
        value: as it is used; a secret is `***`.
        origin: where it comes from.
    """

    name: str
    value: object
    origin: str


def execute(arguments: argparse.Namespace) -> ExitCode:
    """
    Print the settings of `run` and of the client; nothing is connected.

    Raises:
        SettingsError: an option of the client cannot be used; all that cannot are told.
    """
    bus = make_bus(arguments.bus)
    for each in (*_of_run(arguments, bus), *_of_client(arguments, bus), *_of_routes(arguments.settings_file)):
        if arguments.json:
            print(json.dumps(attrs.asdict(each), default=str))
        else:
            print(f"{each.name:{_WIDE}} {_written(each.value)}  ({each.origin})")
    return ExitCode.OK


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _of_run(arguments: argparse.Namespace, bus: EventBus) -> Iterator[Shown]:
    for setting in arguments.settings:
        # The address as the bus shows it: without secrets, its options stand below.
        value = bus.address if setting.name == "bus" else getattr(arguments, setting.name)
        yield Shown(setting.name, value, arguments.origins[setting.name])


def _of_client(arguments: argparse.Namespace, bus: EventBus) -> Iterator[Shown]:
    query = dict(parse_qsl(arguments.bus.partition("?")[2], keep_blank_values=True))
    for option in bus.options:
        table = (bus.system, option.client) if option.client else (bus.system,)
        yield Shown(".".join((*table, option.name)), option.value, _origin(option, arguments, query))


def _origin(option: ClientOption, arguments: argparse.Namespace, query: Mapping[str, str]) -> str:
    broker = "nats" if arguments.bus.startswith(("nats", "tls")) else "kafka"
    match option.origin:
        case "address" if option.name in query or "@" in arguments.bus:
            return f"address, {arguments.origins['bus']}"
        case "address":
            return _variable(broker, option.name)
        case "settings":
            return str(arguments.settings_file.place(broker, option.name))
        case "partita":
            return "default"
        case told if told.removeprefix("settings.") in CLIENTS:
            return str(arguments.settings_file.place(broker, option.client, option.name))
        case client:
            return f"default of {client}"


def _variable(broker: str, name: str) -> str:
    variable = f"PARTITA_{broker}_{name}".upper()
    return f"{variable} in the environment"


def _of_routes(file: SettingsFile) -> Iterator[Shown]:
    for handler in file.table("routes"):
        for name, value in file.table("routes", handler).items():
            yield Shown(f"routes.{handler}.{name}", value, file.place("routes", handler, name))
