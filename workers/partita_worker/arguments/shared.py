"""Settings that several commands have, and how a command declares them."""

import argparse
from collections.abc import Sequence

import attrs

from partita_worker.arguments.values import count, port_or_any, seconds
from partita_worker.settings import Setting, add_settings

BUS = Setting(
    "--bus",
    "address of the bus: memory://, kafka://HOST:PORT or nats://HOST:PORT, options of the client in its "
    "query; default memory://",
    default="memory://",
    metavar="URL",
)
BROKER = attrs.evolve(
    BUS,
    help="address of the broker: kafka://HOST:PORT or nats://HOST:PORT, options of the client in its "
    "query; required",
)
GROUP = Setting("--group", "consumer group; required on a broker", metavar="NAME")
APP_DIR = Setting("--app-dir", "folder to import from; default: this one", default=".", metavar="DIR")
HEALTH_PORT = Setting(
    "--health-port",
    "answer health and metrics over HTTP at this port; 0: any that is free; default: do not",
    convert=port_or_any,
    metavar="N",
)
HEALTH_HOST = Setting(
    "--health-host",
    "the address of this machine to answer at; default 127.0.0.1, which only this machine reaches",
    default="127.0.0.1",
    metavar="ADDRESS",
)
MAX_LAG = Setting(
    "--max-lag",
    "messages that may wait for a route before it is behind; default: any number",
    convert=count,
    metavar="N",
)
MAX_AGE = Setting(
    "--max-age",
    "how long the oldest of them may have waited; default 30",
    default=30.0,
    convert=seconds,
    metavar="SECONDS",
)
CONTROL_SOCKET = Setting(
    "--control-socket",
    "path of the socket by which a running worker is looked into and spoken to, or off; default: one of its "
    "own in this user's folder for them",
    metavar="PATH",
)
ON_BUS: Sequence[Setting] = (BROKER,)


def declare_settings(parser: argparse.ArgumentParser, settings: Sequence[Setting]) -> None:
    add_settings(parser, settings)
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="settings file; default: partita.toml, or [tool.partita] in pyproject.toml, in this folder "
        "[PARTITA_CONFIG]",
    )
    parser.set_defaults(settings=settings)


def declare_target(parser: argparse.ArgumentParser, settings: Sequence[Setting]) -> None:
    parser.add_argument("target", metavar="MODULE:ROUTER", help="for example examples.wordcount:router")
    declare_settings(parser, settings)
