"""`worker status`, `top`, `pause`, `resume` and `skip`: commands that a running worker answers."""

import argparse
import re

from partita_worker.arguments.shared import CONTROL_SOCKET, declare_settings
from partita_worker.arguments.values import place, rate
from partita_worker.settings import checked


def partition_or_place(text: str) -> tuple[str, int, int | None]:
    """TOPIC/PARTITION or TOPIC/PARTITION@OFFSET. Raises ValueError."""
    if "@" in text:
        return place(text)
    found = re.fullmatch(r"([^/@]+)/([0-9]{1,10})", text)
    if found is None:
        raise ValueError(f"{text!r}: give TOPIC/PARTITION, or TOPIC/PARTITION@OFFSET for one message")
    return found[1], int(found[2]), None


def partition_alone(text: str) -> tuple[str, int, None]:
    """TOPIC/PARTITION. Raises ValueError."""
    topic, number, offset = partition_or_place(text)
    if offset is not None:
        raise ValueError(f"{text!r}: give TOPIC/PARTITION; a single message cannot be paused")
    return topic, number, None


def status(parser: argparse.ArgumentParser) -> None:
    """`worker status`."""
    parser.add_argument("--json", action="store_true", help="one JSON array, a worker's process each")
    declare_settings(parser, (CONTROL_SOCKET,))


def top(parser: argparse.ArgumentParser) -> None:
    """`worker top`."""
    parser.add_argument(
        "--interval",
        type=checked(rate),
        default=1.0,
        metavar="SECONDS",
        help="from one look to the next; default 1",
    )
    parser.add_argument("--once", action="store_true", help="end after one interval")
    parser.add_argument("--json", action="store_true", help="one JSON object for each look")
    declare_settings(parser, (CONTROL_SOCKET,))


def pause(parser: argparse.ArgumentParser) -> None:
    """`worker pause`."""
    parser.add_argument("place", type=checked(partition_alone), metavar="TOPIC/PARTITION")
    declare_settings(parser, (CONTROL_SOCKET,))


def resume(parser: argparse.ArgumentParser) -> None:
    """`worker resume`."""
    parser.add_argument("place", type=checked(partition_or_place), metavar="TOPIC/PARTITION[@OFFSET]")
    declare_settings(parser, (CONTROL_SOCKET,))


def skip(parser: argparse.ArgumentParser) -> None:
    """`worker skip`."""
    parser.add_argument("place", type=checked(place), metavar="TOPIC/PARTITION@OFFSET")
    declare_settings(parser, (CONTROL_SOCKET,))
