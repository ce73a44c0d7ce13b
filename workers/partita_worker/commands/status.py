"""`worker status` and `worker top`: look into a running worker, once or again and again."""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence

from partita_worker.control.client import ask, find
from partita_worker.control.requests import StatusRow
from partita_worker.control.status import handled_in, rates, status_of, tree
from partita_worker.exits import ExitCode

CLEAR = "\x1b[H\x1b[J"


def status(arguments: argparse.Namespace) -> ExitCode:
    """
    Print what a worker is doing.

    Raises:
        NoWorker: it is not there.
    """
    workers = look(arguments.control_socket)
    print(json.dumps(workers, indent=2) if arguments.json else "\n".join(tree(workers)))
    return ExitCode.OK


def top(arguments: argparse.Namespace) -> ExitCode:
    """
    The same with messages a second, refreshed until Ctrl-C; `--once`: after one interval, and end.

    Raises:
        NoWorker: it is not there, or not any more.
    """
    before, began = handled_in(look(arguments.control_socket)), time.monotonic()
    while True:
        time.sleep(arguments.interval)
        workers, now = look(arguments.control_socket), time.monotonic()
        handled = handled_in(workers)
        rate = rates(before, handled, now - began)
        before, began = handled, now
        if arguments.json:
            told = [[*at, round(value, 3)] for at, value in rate.items()]
            print(json.dumps({"workers": workers, "rates": told}), flush=True)
        else:
            show(list(tree(workers, rate)))
        if arguments.once:
            return ExitCode.OK


def show(lines: Sequence[str]) -> None:
    """Fill the terminal, or go on writing where there is none."""
    if sys.stdout.isatty():
        size = shutil.get_terminal_size()
        lines = [line[: size.columns] for line in lines[: size.lines - 1]]
        print(CLEAR, end="")
    print("\n".join(lines), flush=True)


def look(path: str | None) -> Sequence[StatusRow]:
    """The status of each process of a worker."""
    return [status_of(ask(each, {"do": "status"})) for each in find(path, os.environ)]
