"""`worker pause`, `resume` and `skip`: have a running worker do something to a partition."""

import argparse
import os

from partita_worker.control.client import ask, find
from partita_worker.exits import ExitCode
from partita_worker.failures import UsageError


def execute(arguments: argparse.Namespace) -> ExitCode:
    """
    Ask each process of the worker; the one that has the partition does it.

    Raises:
        NoWorker: it is not there.
        UsageError: no process of it could do that; the text is the worker's.
    """
    topic, partition, offset = arguments.place
    request = {"do": arguments.command, "topic": topic, "partition": partition, "offset": offset}
    answers = [ask(each, request) for each in find(arguments.control_socket, os.environ)]
    done = [str(each["done"]) for each in answers if "done" in each]
    if not done:
        raise UsageError(str(_most_telling([str(each.get("error", "no answer")) for each in answers])))
    print("\n".join(done))
    return ExitCode.OK


def _most_telling(errors: list[str]) -> str:
    """Of several processes, what the one says that has the partition."""
    return next((each for each in errors if not each.startswith("no consumer")), errors[0])
