"""`worker run`: run a router until everything is handled, or until a signal."""

import argparse
import os
import sys

from partita import Router
from partita_worker.buses import configured
from partita_worker.endpoint.server import Place
from partita_worker.exits import ExitCode
from partita_worker.feed import parse_feed
from partita_worker.loading import load
from partita_worker.logs import set_up_logging
from partita_worker.process import RunSettings, Worker
from partita_worker.telemetry import set_up


def execute(arguments: argparse.Namespace) -> ExitCode:
    """
    Run the router that the arguments name.

    Raises:
        PartitaError: what was asked cannot be done.
        Exception: the client's own error.
    """
    set_up_logging(arguments.log_level, arguments.log_format)
    settings = RunSettings(
        bus=arguments.bus,
        group=arguments.group,
        burst=arguments.burst,
        create_topics=arguments.create_topics,
        drain_timeout=arguments.drain_timeout,
        feeds=tuple(parse_feed(each) for each in arguments.feed),
        heartbeat=_heartbeat(arguments),
        health=None if arguments.health_port is None else Place(arguments.health_port, arguments.health_host),
    )
    router = configured(load(arguments.target, Router, arguments.app_dir))
    telemetry = set_up(trace=arguments.trace, environ=os.environ, write=_say_block)
    try:
        code = Worker(settings, router, telemetry.reason, say).run()
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
