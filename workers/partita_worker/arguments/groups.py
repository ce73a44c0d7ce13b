"""`worker groups`: who reads what at the broker, and how a group is moved."""

import argparse

from partita_worker.arguments.shared import ON_BUS, declare_settings
from partita_worker.arguments.values import instant, shift
from partita_worker.settings import checked


def groups(parser: argparse.ArgumentParser) -> None:
    """`worker groups list|describe|reset`."""
    verbs = parser.add_subparsers(dest="verb", metavar="list|describe|reset", required=True)
    listing = verbs.add_parser("list", help="each group with its state")
    _print_as_json(listing)
    declare_settings(listing, ON_BUS)
    describe = verbs.add_parser("describe", help="members with what they have, offsets and lag")
    describe.add_argument("name", metavar="NAME")
    _topics(describe, "of which to tell; may be repeated; default: those that it has read or reads")
    _print_as_json(describe)
    declare_settings(describe, ON_BUS)
    _reset(verbs.add_parser("reset", help="let a group that is not live read again, or leave out"))


def _reset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    to = parser.add_mutually_exclusive_group(required=True)
    to.add_argument("--to-earliest", action="store_true", help="to the first message that there is")
    to.add_argument("--to-latest", action="store_true", help="behind the last message")
    to.add_argument(
        "--to-time",
        type=checked(instant),
        metavar="TIME",
        help="to the first message from TIME on: ISO 8601, or how long ago, such as 10m",
    )
    to.add_argument(
        "--shift", type=checked(shift), metavar="N", help="by N messages forward, or back: --shift=-10"
    )
    _topics(parser, "of which; may be repeated; default: those that the group has committed something of")
    parser.add_argument("--dry-run", action="store_true", help="change nothing, only tell")
    _print_as_json(parser)
    declare_settings(parser, ON_BUS)


def _topics(parser: argparse.ArgumentParser, told: str) -> None:
    parser.add_argument("--topic", dest="topics", action="append", metavar="TOPIC", help=told)


def _print_as_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
