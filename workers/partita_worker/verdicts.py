"""From an error that ended a command to its exit code and one paragraph."""

import re

import attrs

from partita import (
    EventBus,
    MessageTooLarge,
    PartitaError,
    RestartLimitReached,
    RouteError,
    SettingsError,
    TopicMissing,
)
from partita_worker.buses import make_bus
from partita_worker.devbroker.errors import BrokerError
from partita_worker.exits import ExitCode
from partita_worker.failures import CommandFailed
from partita_worker.logs import CLIENTS

CODES: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (SettingsError, ExitCode.SETTINGS),
    (TopicMissing, ExitCode.USAGE),
    (RouteError, ExitCode.USAGE),
    (MessageTooLarge, ExitCode.FAILED_MESSAGES),
    (RestartLimitReached, ExitCode.SUPERVISOR_GAVE_UP),
    (BrokerError, ExitCode.USAGE),
)


@attrs.frozen
class Verdict:
    """
    How a command ends.

    Args:
        code: its exit code.
        text: one paragraph, or the traceback of the user's own module.
    """

    code: ExitCode
    text: str


def judge(error: BaseException, bus_url: str | None = None) -> Verdict | None:
    """
    What to say about an error; None when nobody foresaw it, and its traceback is to be printed.

    Args:
        error: what ended the command.
        bus_url: the bus that the command works with, if any.
    """
    error = innermost(error)
    if isinstance(error, CommandFailed):
        return Verdict(error.code, str(error))
    for kind, code in CODES:
        if isinstance(error, kind):
            return Verdict(code, on_bus(with_cause(error), bus_url))
    if isinstance(error, OSError) and error.filename is not None:
        return Verdict(ExitCode.USAGE, f"{error.filename}: {error.strerror}")
    if isinstance(error, PartitaError) or bus_url is None:
        return None
    return refused(error, make_bus(bus_url)) or unreachable(error, make_bus(bus_url))


def innermost(error: BaseException) -> BaseException:
    """The one error inside groups of one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def with_cause(error: BaseException) -> str:
    """The text of an error, with the error that is its cause where it promises one."""
    if isinstance(error, RestartLimitReached) and error.__cause__ is not None:
        return f"{error} ({described(error.__cause__)})"
    return str(error)


def on_bus(text: str, bus_url: str | None) -> str:
    """A text that names a command which makes a topic, with the bus that the command needs."""
    if bus_url is None or "'worker topics create " not in text:
        return text
    return re.sub("'(worker topics create [^ ']+)'", rf"'\1 --bus {make_bus(bus_url).address}'", text)


def refused(error: BaseException, bus: EventBus) -> Verdict | None:
    """What to say when the broker did not allow something; None when that is not what happened."""
    needed = getattr(error, "__notes__", ())
    if not needed or type(error).__module__.partition(".")[0] not in CLIENTS:
        return None
    return Verdict(
        ExitCode.USAGE, f"the broker at {bus.address} did not allow it ({described(error)}): {needed[0]}"
    )


def unreachable(error: BaseException, bus: EventBus) -> Verdict | None:
    """What to say when no broker answered; None when that is not what happened."""
    if not bus.is_unreachable(error):
        return None
    return Verdict(
        ExitCode.UNREACHABLE,
        f"no broker answers at {bus.address} ({described(error)}); look at the address and whether the "
        f"broker is up, or start one on this machine with 'worker broker up {bus.system}'",
    )


def described(error: BaseException) -> str:
    """The type and the text of a client's error."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
