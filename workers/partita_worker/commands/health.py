"""`worker health`: ask a running worker how it is, for a person or for a probe that runs a command."""

import argparse
import http.client
import json
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import attrs

from partita_worker.exits import ExitCode
from partita_worker.failures import NoWorker, UsageError

PATH = "/health"
PROBES = ("live", "ready", "started")
MOST_BYTES = 16 * 1024 * 1024


@attrs.frozen
class Told:
    """
    One part, as the worker tells it.

    Args:
        healthy: whether it does what it is there for.
        reason: why not, or what is worth knowing.
        since: seconds for which it has been unhealthy.
    """

    healthy: bool
    reason: str = ""
    since: float = 0.0

    def __str__(self) -> str:
        if self.healthy:
            return f"ok: {self.reason}" if self.reason else "ok"
        return f"NO: {self.reason}, for {self.since:.0f} s"


@attrs.frozen
class Report:
    """
    What a worker tells of itself.

    Args:
        healthy: whether nothing is wrong with it.
        told: each probe and each part.
        text: all of it, as it came.
    """

    healthy: bool
    told: Mapping[str, Told]
    text: str


def execute(arguments: argparse.Namespace) -> ExitCode:
    """
    Print how the worker is; the exit code says it to a probe.

    Raises:
        UsageError: which worker is not said.
        NoWorker: none answers there.
    """
    url = where(arguments)
    report = read(url, ask(url, arguments.timeout))
    one = report.told.get(arguments.probe)
    healthy = report.healthy if one is None else one.healthy
    if arguments.json:
        print(report.text.strip() if one is None else json.dumps(attrs.asdict(one)))
    else:
        for line in [str(one)] if one is not None else lines(url, report):
            print(line)
    return ExitCode.OK if healthy else ExitCode.UNHEALTHY


def where(arguments: argparse.Namespace) -> str:
    """
    The endpoint's URL without a path.

    Raises:
        UsageError: none is named, or it cannot be used.
    """
    if arguments.url is None and not arguments.health_port:
        raise UsageError(
            "say which worker: --port N or --url URL, as its banner tells it, or PARTITA_HEALTH_PORT in the "
            "environment. A worker answers when it was started with --health-port"
        )
    if arguments.url is None:
        host = arguments.health_host
        return (
            f"http://[{host}]:{arguments.health_port}"
            if ":" in host
            else f"http://{host}:{arguments.health_port}"
        )
    netloc = netloc_of(arguments.url)
    if netloc is None:
        raise UsageError(f"--url {arguments.url}: give http://HOST:PORT, as the worker's banner tells it")
    return f"http://{netloc}"


def netloc_of(url: str) -> str | None:
    """Host and port of a plain HTTP address; None: it is none."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts.netloc if usable else None


def ask(url: str, timeout: float) -> str:
    """
    The health report of the worker at *url*.

    Raises:
        NoWorker: there is none.
    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout or None)
    try:
        connection.request("GET", PATH)
        body = connection.getresponse().read(MOST_BYTES)
    except TimeoutError as error:
        raise NoWorker(
            f"the worker at {url} gave no answer within {timeout:g} s: its event loop does not turn"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise NoWorker(
            f"no worker answers at {url} ({reason}); start it with --health-port {parts.port or 80}, or look "
            "at its banner for where it answers"
        ) from error
    finally:
        connection.close()
    return body.decode("utf-8", "replace")


def read(url: str, text: str) -> Report:
    """
    A report from its text.

    Raises:
        NoWorker: it is none.
    """
    try:
        told = json.loads(text)
        parts = {name: Told(**told[name]) for name in PROBES}
        parts.update({name: Told(**part) for name, part in told["parts"].items()})
        return Report(bool(told["healthy"]), parts, text)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise NoWorker(f"what answers at {url} is no worker: this is not its health report") from error


def lines(url: str, report: Report) -> Iterator[str]:
    """The report for a person."""
    yield f"the worker at {url} is {'healthy' if report.healthy else 'NOT healthy'}"
    width = max(map(len, report.told))
    for name, told in report.told.items():
        yield f"{name:{width}}  {told}"
