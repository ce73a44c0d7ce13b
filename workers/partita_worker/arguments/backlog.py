"""`worker backlog`."""

import argparse
from collections.abc import Sequence

import attrs

from partita_worker.arguments.shared import BROKER, GROUP, MAX_AGE, MAX_LAG, declare_settings
from partita_worker.arguments.values import interval
from partita_worker.settings import Setting, checked

BACKLOG: Sequence[Setting] = (
    BROKER,
    GROUP,
    attrs.evolve(MAX_LAG, help="messages that may wait; with more the group is behind; default: any number"),
    MAX_AGE,
)


def backlog(parser: argparse.ArgumentParser) -> None:
    """What waits for a group."""
    parser.add_argument("named", metavar="GROUP", nargs="?", help="default: that of --group")
    parser.add_argument(
        "--topic",
        dest="topics",
        action="append",
        metavar="TOPIC",
        help="a topic that the group reads; may be repeated; default: those that the broker knows of",
    )
    parser.add_argument(
        "--start",
        choices=("earliest", "latest"),
        default="earliest",
        help="where the group begins without a commit; default earliest",
    )
    parser.add_argument("--watch", action="store_true", help="go on looking until interrupted")
    parser.add_argument(
        "--interval",
        type=checked(interval),
        default=2.0,
        metavar="SECONDS",
        help="with --watch, from one look to the next; default 2",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object for each look")
    declare_settings(parser, BACKLOG)
