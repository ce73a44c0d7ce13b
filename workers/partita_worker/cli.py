"""`worker`: finds the command, reads its arguments, runs it, and turns how it ended into an exit code."""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import version

import attrs

from partita_worker.arguments import backlog, brokers, groups, health, looking, messages, running
from partita_worker.exits import ExitCode
from partita_worker.failures import CommandFailed
from partita_worker.secrecy import Parser, guard
from partita_worker.settling import settle

Declare = Callable[[argparse.ArgumentParser], None]
Execute = Callable[[argparse.Namespace], ExitCode]


@attrs.frozen
class Command:
    """
    One command.

    Args:
        help: one line.
        declare: adds its arguments to a parser.
        module: where it is done, loaded when it is asked for.
        function: its name there.
    """

    help: str
    declare: Declare
    module: str
    function: str = "execute"

    def load(self) -> Execute:
        """What runs it."""
        execute: Execute = getattr(import_module(f"partita_worker.commands.{self.module}"), self.function)
        return execute


COMMANDS: Mapping[str, Command] = {
    "run": Command("run a router", running.run, "run"),
    "check": Command(
        "import a router, look at its handlers and topics, consume nothing", running.check, "check", "check"
    ),
    "routes": Command("print the routes of a router", running.routes, "check", "routes"),
    "publish": Command("publish each line of a file or of standard input", messages.publish, "publish"),
    "tail": Command("print the messages of a topic", messages.tail, "tail"),
    "topics": Command("list, describe, create and delete topics", brokers.topics, "topics"),
    "groups": Command("list and describe consumer groups, reset their offsets", groups.groups, "groups"),
    "dlq": Command("list, show and replay dead letters", messages.dlq, "dlq"),
    "backlog": Command("what waits for a consumer group, and for how long", backlog.backlog, "backlog"),
    "health": Command("ask a running worker how it is", health.health, "health"),
    "config": Command("show each setting and where it comes from", running.config, "config"),
    "status": Command("what a running worker is doing, as a tree", looking.status, "status", "status"),
    "top": Command("the same with rates, refreshed", looking.top, "status", "top"),
    "pause": Command("have a worker start no more messages of a partition", looking.pause, "intervene"),
    "resume": Command("have it go on, and try parked messages again at once", looking.resume, "intervene"),
    "skip": Command("give up one parked message", looking.skip, "intervene"),
    "broker": Command("a real local Kafka or NATS, from packages", brokers.broker, "broker"),
}


class PrintVersion(argparse.Action):
    """Looks the version up when it is asked for, and not at every start."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it and end."""
        print(f"partita {version('partita')}")
        parser.exit()


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one command line and return its exit code.

    Args:
        argv: the arguments after the program's name; default: those of this process.

    Raises:
        SystemExit: help was asked for, or the arguments cannot be read.
    """
    hold_standard_streams()
    parsed = parser().parse_args(argv)
    parsed.argv = sys.argv[1:] if argv is None else argv
    try:
        guard(parsed, os.environ)
        settle(parsed, os.environ)
        return COMMANDS[parsed.command].load()(parsed)
    except KeyboardInterrupt:
        return 130
    except CommandFailed as error:
        # Here as well as below, because it needs nothing loaded.
        return fail(error.code, str(error))
    except BrokenPipeError:
        # Whoever read our output, such as `head`, has enough; what Python still holds has no reader.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:  # noqa: BLE001 - the last one to know; it prints what it does not know
        return conclude(error, getattr(parsed, "bus", None))


def hold_standard_streams() -> None:
    """
    Give a standard stream that was closed the null device.

    Otherwise the next socket takes its number, and uvloop 0.22 ends the process when it closes that one.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            setattr(sys, name, open(number, mode, closefd=False, encoding="utf-8"))  # noqa: SIM115 - for as long as the process lives


def conclude(error: Exception, bus_url: str | None) -> int:
    """Say what ended a command; an error that nobody foresaw keeps its traceback."""
    from partita_worker.verdicts import judge

    verdict = judge(error, bus_url)
    if verdict is None:
        traceback.print_exception(error)
        return ExitCode.BUG
    return fail(verdict.code, verdict.text)


def fail(code: ExitCode, text: str) -> int:
    """Print one paragraph on standard error."""
    print(text if text.startswith("Traceback") else f"worker: {text}", file=sys.stderr)
    return code


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    codes = "\n".join(f"  {code.value}  {code.meaning}" for code in ExitCode)
    made = Parser(
        "worker",
        description="Message workers on Kafka, NATS JetStream and memory.",
        epilog=f"exit codes:\n{codes}\n  128+n  ended at once by a second signal n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--version", action=PrintVersion, nargs=0, help="print the version and end")
    commands = made.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        sub = commands.add_parser(name, help=command.help, description=command.help, allow_abbrev=False)
        command.declare(sub)
    return made
