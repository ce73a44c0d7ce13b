"""What each command of `worker` may be given. Nothing here loads more than the standard library and attrs."""

import argparse
import math
import os
import re
from collections.abc import Sequence

import attrs

from partita_worker.settings import Setting, add_settings, checked


def whole_number(text: str) -> int:
    """A number of 1 or more. Raises ValueError."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ValueError(f"{text!r} is not a whole number of 1 or more")
    return number


def port_number(text: str) -> int:
    """A TCP port. Raises ValueError."""
    if (number := whole_number(text)) > 65535:
        raise ValueError(f"{text!r} is above 65535, the highest port")
    return number


def seconds(text: str) -> float:
    """A time of 0 or more seconds. Raises ValueError."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise ValueError(f"{text!r} is not a number of seconds, 0 or more")
    return number


def feed_text(text: str) -> str:
    """TOPIC=FILE. Raises ValueError."""
    topic, equals, path = text.partition("=")
    if not (topic and equals and path):
        raise ValueError(f"{text!r}: give TOPIC=FILE, or TOPIC=- for standard input")
    return text


def header(text: str) -> tuple[str, bytes]:
    """NAME=VALUE, the value byte for byte. Raises ValueError."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ValueError(f"{text!r}: give NAME=VALUE")
    return name, os.fsencode(value)


def rate(text: str) -> float:
    """A number above 0. Raises ValueError."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"{text!r} is not a number above 0")
    return number


def place(text: str) -> tuple[str, int, int]:
    """TOPIC/PARTITION@OFFSET. Raises ValueError."""
    found = re.fullmatch(r"([^/@]+)/([0-9]{1,10})@([0-9]{1,19})", text)
    if found is None:
        raise ValueError(f"{text!r}: give TOPIC/PARTITION@OFFSET, as 'worker dlq list' prints it")
    return found[1], int(found[2]), int(found[3])


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
ON_BUS: Sequence[Setting] = (BROKER,)


def _settings(parser: argparse.ArgumentParser, settings: Sequence[Setting]) -> None:
    add_settings(parser, settings)
    parser.set_defaults(settings=settings)


def _target(parser: argparse.ArgumentParser, settings: Sequence[Setting]) -> None:
    parser.add_argument("target", metavar="MODULE:ROUTER", help="for example examples.wordcount:router")
    _settings(parser, settings)


def run(parser: argparse.ArgumentParser) -> None:
    """`worker run`."""
    _target(parser, RUN)


def check(parser: argparse.ArgumentParser) -> None:
    """`worker check`."""
    _target(parser, CHECK)


def routes(parser: argparse.ArgumentParser) -> None:
    """`worker routes`."""
    _target(parser, ROUTES)


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
    _settings(parser, ON_BUS)


def tail(parser: argparse.ArgumentParser) -> None:
    """`worker tail`."""
    parser.add_argument("topic", metavar="TOPIC")
    parser.add_argument(
        "--from-beginning", action="store_true", help="with what is there; default: only what comes"
    )
    parser.add_argument(
        "--max", type=checked(whole_number), metavar="N", help="end after N messages; default: never"
    )
    parser.add_argument(
        "--verbose", action="store_true", help="topic/partition@offset, key and a tab before each value"
    )
    _settings(parser, ON_BUS)


def topics(parser: argparse.ArgumentParser) -> None:
    """`worker topics list|create|delete`."""
    verbs = parser.add_subparsers(dest="verb", metavar="list|create|delete", required=True)
    _settings(verbs.add_parser("list", help="each topic with its number of partitions"), ON_BUS)
    create = verbs.add_parser("create", help="make a topic")
    create.add_argument("topic", metavar="NAME")
    create.add_argument("--partitions", type=checked(whole_number), default=4, metavar="N", help="default 4")
    create.add_argument(
        "--replication",
        type=checked(whole_number),
        default=1,
        metavar="N",
        help="copies of each message; default 1",
    )
    _settings(create, ON_BUS)
    delete = verbs.add_parser("delete", help="delete a topic and the messages in it")
    delete.add_argument("topic", metavar="NAME")
    _settings(delete, ON_BUS)


def dlq(parser: argparse.ArgumentParser) -> None:
    """`worker dlq list|show|replay`."""
    verbs = parser.add_subparsers(dest="verb", metavar="list|show|replay", required=True)
    listing = verbs.add_parser("list", help="one line for each dead letter; takes none away")
    listing.add_argument("topic", metavar="TOPIC")
    listing.add_argument(
        "--max", type=checked(whole_number), metavar="N", help="end after N letters; default: all"
    )
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    _settings(listing, ON_BUS)
    show = verbs.add_parser("show", help="all that is known of one dead letter, and the message itself")
    show.add_argument(
        "place", type=checked(place), metavar="TOPIC/PARTITION@OFFSET", help="as 'list' prints it"
    )
    _settings(show, ON_BUS)
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
    _settings(parser, ON_BUS)


def broker(parser: argparse.ArgumentParser) -> None:
    """`worker broker up|status|down`."""
    verbs = parser.add_subparsers(dest="verb", metavar="up|status|down", required=True)
    up = verbs.add_parser("up", help="start a real broker on this machine")
    up.add_argument("kind", choices=("kafka", "nats"))
    up.add_argument(
        "--port", type=checked(port_number), metavar="N", help="default 9092 for kafka, 4222 for nats"
    )
    up.add_argument("--data", metavar="DIR", help="where it keeps its data; default: a folder of its own")
    verbs.add_parser("status", help="which brokers are up")
    down = verbs.add_parser("down", help="stop brokers; their data stays")
    down.add_argument("kind", choices=("kafka", "nats"), nargs="?", help="default: all")
