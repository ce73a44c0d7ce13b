"""`worker check` and `worker routes`: look at a router and its topics without consuming anything."""

import argparse

import anyio

from partita import Router
from partita_worker.banner import dead_letter_topics, describe_route, topics_of
from partita_worker.buses import configured, make_bus
from partita_worker.exits import ExitCode
from partita_worker.loading import load
from partita_worker.logs import set_up_logging


def routes(arguments: argparse.Namespace) -> ExitCode:
    """Print each route on a line."""
    for route in _router(arguments).routes:
        print(describe_route(route))
    return ExitCode.OK


def check(arguments: argparse.Namespace) -> ExitCode:
    """
    Import the router, check what its handlers ask for, and that its topics exist.

    Raises:
        PartitaError: what was asked cannot be done.
        Exception: the client's own error.
    """
    # What goes wrong is told once, by whoever ends this command.
    set_up_logging("critical", "text")
    router = _router(arguments)
    print(f"imported {arguments.target}: {_counted(len(router.routes), 'route')}")
    return anyio.run(_check, router, arguments)


async def _check(router: Router, arguments: argparse.Namespace) -> ExitCode:
    async with make_bus(arguments.bus) as bus:
        await bus.check(router, group=arguments.group)
        there = await bus.list_topics()
        print(f"reached {bus.address}: {_counted(len(there), 'topic')}")
        # On memory a topic comes into being on first use.
        needed = [] if bus.system == "memory" else [*topics_of(router), *dead_letter_topics(router)]
    missing = [topic for topic in dict.fromkeys(needed) if topic not in there]
    for topic in missing:
        print(f"missing  {topic}: make it with 'worker topics create {topic} --bus {bus.address}'")
    return ExitCode.USAGE if missing else ExitCode.OK


def _router(arguments: argparse.Namespace) -> Router:
    return configured(load(arguments.target, Router, arguments.app_dir))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
