"""`worker health`."""

import argparse
from collections.abc import Sequence

from partita_worker.arguments.shared import HEALTH_HOST, HEALTH_PORT, declare_settings
from partita_worker.arguments.values import port_number, seconds
from partita_worker.settings import Setting, checked

HEALTH: Sequence[Setting] = (HEALTH_PORT, HEALTH_HOST)
PROBES = ("health", "live", "ready", "started")


def health(parser: argparse.ArgumentParser) -> None:
    """`worker health`."""
    parser.add_argument("--url", metavar="URL", help="the endpoint, as the worker's banner tells it")
    parser.add_argument(
        "--port",
        dest="health_port",
        type=checked(port_number),
        default=argparse.SUPPRESS,
        metavar="N",
        help="the same as --health-port",
    )
    parser.add_argument(
        "--probe",
        choices=PROBES,
        default="health",
        help="what decides: the whole health (default), or one probe alone",
    )
    parser.add_argument(
        "--timeout",
        type=checked(seconds),
        default=10.0,
        metavar="SECONDS",
        help="how long the worker has for its answer; default 10",
    )
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    declare_settings(parser, HEALTH)
