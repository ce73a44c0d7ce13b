"""`worker topics` and `worker broker`: commands about what is at the broker, and the broker itself."""

import argparse

from partita_worker.arguments.shared import ON_BUS, declare_settings
from partita_worker.arguments.values import assignment, port_number, whole_number
from partita_worker.settings import checked


def topics(parser: argparse.ArgumentParser) -> None:
    """`worker topics list|describe|create|delete`."""
    verbs = parser.add_subparsers(dest="verb", metavar="list|describe|create|delete", required=True)
    declare_settings(verbs.add_parser("list", help="each topic with its number of partitions"), ON_BUS)
    describe = verbs.add_parser("describe", help="partitions with leader, copies and offsets, and settings")
    describe.add_argument("topic", metavar="NAME")
    describe.add_argument("--json", action="store_true", help="one JSON object")
    declare_settings(describe, ON_BUS)
    create = verbs.add_parser("create", help="make a topic")
    create.add_argument("topic", metavar="NAME")
    create.add_argument(
        "--set",
        dest="configs",
        action="append",
        default=[],
        type=checked(assignment),
        metavar="NAME=VALUE",
        help="a setting of the broker's for this topic, such as retention.ms=60000; may be repeated",
    )
    create.add_argument("--partitions", type=checked(whole_number), default=4, metavar="N", help="default 4")
    create.add_argument(
        "--replication",
        type=checked(whole_number),
        default=1,
        metavar="N",
        help="copies of each message; default 1",
    )
    declare_settings(create, ON_BUS)
    delete = verbs.add_parser("delete", help="delete a topic and the messages in it")
    delete.add_argument("topic", metavar="NAME")
    declare_settings(delete, ON_BUS)


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
