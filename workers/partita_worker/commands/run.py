"""`worker run`: run a router until everything is handled, or until a signal."""

import argparse
import os
import sys
from pathlib import Path

from partita import BacklogLimits, Router
from partita_worker.buses import configured
from partita_worker.control.places import folder_of, make_private, numbered, socket_of
from partita_worker.endpoint.server import Place
from partita_worker.exits import ExitCode
from partita_worker.failures import memory_refused
from partita_worker.feed import parse_feed
from partita_worker.host.host import Host, HostSettings
from partita_worker.host.link import Link
from partita_worker.loading import load
from partita_worker.logs import set_up_logging
from partita_worker.observers import Observers
from partita_worker.process import RunSettings, Say, Worker
from partita_worker.systemd import Notifier
from partita_worker.telemetry import set_up


def execute(arguments: argparse.Namespace) -> int:
    """
    Run the router that the arguments name.

    Raises:
        PartitaError: what was asked cannot be done.
        Exception: the client's own error.
    """
    link = Link.found(os.environ)
    notifier = Notifier(os.environ)
    place = None if arguments.health_port is None else Place(arguments.health_port, arguments.health_host)
    if link is None and arguments.processes > 1:
        return _host(arguments, place, notifier)
    control = _control(arguments.control_socket, link)
    if link is None:
        return _work(arguments, Observers(place, control, None, notifier), say)
    link.watch()
    return _work(
        arguments, Observers(None, control, link, notifier), lambda line: say(f"[{link.number}] {line}")
    )


def _control(given: str | None, link: Link | None) -> tuple[Path, bool] | None:
    """Where the control socket is: as it was said, or in the user's folder if that is the user's alone."""
    if given == "off":
        return None
    number = None if link is None else link.number
    if given:
        return numbered(Path(given), number), True
    folder = folder_of(os.environ)
    try:
        make_private(folder)
    except OSError as error:
        say(f"control  off: {error}")
        return None
    return socket_of(folder, os.getpid() if link is None else os.getppid(), number), False


def _host(arguments: argparse.Namespace, place: Place | None, notifier: Notifier) -> int:
    if arguments.bus.startswith("memory:"):
        raise memory_refused("run --processes")
    settings = HostSettings(arguments.argv, arguments.processes, arguments.burst, place)
    return Host(settings, say, notifier).run()


def _work(arguments: argparse.Namespace, observers: Observers, tell: Say) -> ExitCode:
    number = None if observers.link is None else observers.link.number
    set_up_logging(arguments.log_level, arguments.log_format, number)
    settings = RunSettings(
        bus=arguments.bus,
        group=arguments.group,
        burst=arguments.burst,
        create_topics=arguments.create_topics,
        drain_timeout=arguments.drain_timeout,
        # One of a host's processes feeds for all.
        feeds=() if number else tuple(parse_feed(each) for each in arguments.feed),
        backlog=BacklogLimits(arguments.max_lag, arguments.max_age),
        heartbeat=_heartbeat(arguments),
    )
    router = configured(load(arguments.target, Router, arguments.app_dir))
    telemetry = set_up(trace=arguments.trace, environ=os.environ, write=_say_block)
    try:
        code = Worker(settings, router, telemetry.reason, tell, observers).run()
    finally:
        telemetry.shut_down()
    if code is ExitCode.DRAIN_DEADLINE:
        # A handler that outlasts the deadline in a thread cannot be stopped, and Python waits for its
        # threads at the end. Everything of ours is closed by now.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _heartbeat(arguments: argparse.Namespace) -> tuple[str, float] | None:
    topic, interval = arguments.heartbeat_topic, arguments.heartbeat_interval
    return None if topic is None else (topic, interval)


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    _say_block(f"{line}\n")


def _say_block(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        # Whoever read our output has enough, or the disk is full. The work goes on, and its exit code still
        # tells how it went; what Python holds must go somewhere, or its end would fail and change the code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
