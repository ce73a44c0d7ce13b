"""`worker run`, and what looks at a router without running it."""

import argparse
from collections.abc import Sequence

from partita_worker.arguments.shared import (
    APP_DIR,
    BUS,
    CONTROL_SOCKET,
    GROUP,
    HEALTH_HOST,
    HEALTH_PORT,
    MAX_AGE,
    MAX_LAG,
    declare_settings,
    declare_target,
)
from partita_worker.arguments.values import feed_text, interval, seconds, whole_number
from partita_worker.settings import Setting

RUN: Sequence[Setting] = (
    BUS,
    GROUP,
    APP_DIR,
    Setting(
        "--feed",
        "publish each line of a file first; - is standard input; may be repeated",
        default=(),
        convert=feed_text,
        metavar="TOPIC=FILE",
        repeated=True,
    ),
    Setting("--burst", "end when everything there is has been handled", default=False, switch=True),
    Setting("--create-topics", "make topics that are missing", default=False, switch=True),
    Setting("--trace", "print each finished trace as a tree", default=False, switch=True),
    Setting(
        "--drain-timeout",
        "how long messages in hand get at the end; default 30",
        default=30.0,
        convert=seconds,
        metavar="SECONDS",
    ),
    Setting(
        "--processes",
        "how many worker processes; each is a member of the group; default 1",
        default=1,
        convert=whole_number,
        metavar="N",
    ),
    MAX_LAG,
    MAX_AGE,
    HEALTH_PORT,
    HEALTH_HOST,
    CONTROL_SOCKET,
    Setting(
        "--heartbeat-topic",
        "publish small records to this topic and fetch them again, for the health; default: do not",
        metavar="TOPIC",
    ),
    Setting(
        "--heartbeat-interval",
        "how long from one of them to the next; default 10",
        default=10.0,
        convert=interval,
        metavar="SECONDS",
    ),
    Setting(
        "--log-level",
        "the least that is logged; default info",
        default="info",
        choices=("debug", "info", "warning", "error"),
    ),
    Setting(
        "--log-format", "text (default) or one JSON object a line", default="text", choices=("text", "json")
    ),
)
CHECK: Sequence[Setting] = (BUS, GROUP, APP_DIR)
ROUTES: Sequence[Setting] = (APP_DIR,)


def run(parser: argparse.ArgumentParser) -> None:
    """`worker run`."""
    declare_target(parser, RUN)


def config(parser: argparse.ArgumentParser) -> None:
    """`worker config show`."""
    verbs = parser.add_subparsers(dest="verb", metavar="show", required=True)
    show = verbs.add_parser("show", help="each setting of run and of the client, and where it comes from")
    show.add_argument("--json", action="store_true", help="one JSON object a line")
    declare_settings(show, RUN)


def check(parser: argparse.ArgumentParser) -> None:
    """`worker check`."""
    declare_target(parser, CHECK)


def routes(parser: argparse.ArgumentParser) -> None:
    """`worker routes`."""
    declare_target(parser, ROUTES)
