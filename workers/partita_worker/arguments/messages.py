"""`worker publish`, `worker tail` and `worker dlq`: commands that move messages."""

import argparse

from partita_worker.arguments.shared import ON_BUS, declare_settings
from partita_worker.arguments.values import header, instant, place, rate, whole_number
from partita_worker.settings import checked


def publish(parser: argparse.ArgumentParser) -> None:
    """`worker publish`."""
    parser.add_argument("topic", metavar="TOPIC")
    parser.add_argument("file", metavar="FILE", nargs="?", default="-", help="default -, standard input")
    parser.add_argument(
        "--key-separator",
        metavar="S",
        help="what stands before the first S in a line is its key; a line without it has none",
    )
    parser.add_argument(
        "--header",
        dest="headers",
        action="append",
        default=[],
        type=checked(header),
        metavar="NAME=VALUE",
        help="a header of every message; may be repeated",
    )
    declare_settings(parser, ON_BUS)


def tail(parser: argparse.ArgumentParser) -> None:
    """`worker tail`."""
    parser.add_argument("topic", metavar="TOPIC")
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument(
        "--from-beginning", action="store_true", help="with what is there; default: only what comes"
    )
    begin.add_argument(
        "--from",
        dest="since",
        type=checked(instant),
        metavar="TIME",
        help="with the messages from TIME on: ISO 8601, or how long ago, such as 10m",
    )
    parser.add_argument(
        "--header",
        dest="headers",
        action="append",
        default=[],
        metavar="NAME",
        help="NAME=VALUE of this header and a tab before each value; may be repeated",
    )
    parser.add_argument(
        "--max", type=checked(whole_number), metavar="N", help="end after N messages; default: never"
    )
    parser.add_argument(
        "--verbose", action="store_true", help="topic/partition@offset, key and a tab before each value"
    )
    declare_settings(parser, ON_BUS)


def dlq(parser: argparse.ArgumentParser) -> None:
    """`worker dlq list|show|replay`."""
    verbs = parser.add_subparsers(dest="verb", metavar="list|show|replay", required=True)
    listing = verbs.add_parser("list", help="one line for each dead letter; takes none away")
    listing.add_argument("topic", metavar="TOPIC")
    listing.add_argument(
        "--max", type=checked(whole_number), metavar="N", help="end after N letters; default: all"
    )
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    declare_settings(listing, ON_BUS)
    show = verbs.add_parser("show", help="all that is known of one dead letter, and the message itself")
    show.add_argument(
        "place", type=checked(place), metavar="TOPIC/PARTITION@OFFSET", help="as 'list' prints it"
    )
    declare_settings(show, ON_BUS)
    _replay(verbs.add_parser("replay", help="publish dead letters again, each once"))


def _replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topic", metavar="TOPIC")
    for flag, metavar, told in (
        ("--to", "TOPIC", "publish to this topic; default: the one that each letter came from"),
        ("--handler", "NAME", "only letters that this handler gave up"),
        ("--error", "CLASS", "only letters whose last error is of this class, such as ValueError"),
    ):
        parser.add_argument(flag, metavar=metavar, help=told)
    parser.add_argument("--rate", type=checked(rate), metavar="N", help="letters a second; default: no limit")
    parser.add_argument("--dry-run", action="store_true", help="publish and remember nothing, only count")
    for flag, default, told in (
        ("--stop-after-failures", 10, "end when N letters could not be published; N are under way at once"),
        ("--max-replays", 3, "refuse a letter that was replayed N times already"),
    ):
        parser.add_argument(
            flag, type=checked(whole_number), default=default, metavar="N", help=f"{told}; default {default}"
        )
    declare_settings(parser, ON_BUS)
