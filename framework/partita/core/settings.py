"""The options of a route: their names, types and defaults in one place, and what is refused."""

import difflib
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict

import attrs

from partita.core.backlog import limits_problem
from partita.core.errors import RouteError, SettingsError
from partita.core.middlewares import middleware_problem
from partita.core.rates import rate_problem
from partita.core.retries import Retry, is_number


class RouteOptions(TypedDict, total=False):
    """
    What may be said about a route, as keywords of `Router`, `handler` and `subscribe`.

    group: the consumer group; default: the one the router is run with.
    kind: the message kind this handler takes, compared with the router's kind header; default: all
        kinds that no other handler of the topic names.
    order: "partition" (the default): at most one message of a partition is unfinished at a time; "key":
        at most one of each key, others run beside it; "none": no order.
    null_key: with order="key", "none" (the default): a message without a key waits for no other;
        "serial": all messages without a key are one key.
    key_from: with order="key", a function of the `Message` that returns the ordering key, bytes or
        None; default: the message's key.
    timeout: seconds after which a call is cancelled and counts as failed; default: none.
    concurrency: the most calls of this route that are unfinished at once in one process, over all
        partitions it owns there; default 64.
    run: "inline" on the event loop (the default of `async def`), "thread" (that of `def`), or "process" for
        a `def` that keeps a core busy: it is imported by name in processes of its own.
    retry: what happens after a failure; default `Retry(attempts=5, backoff=0.2, jitter=0.2)`.
    dead_letter: a topic for messages without attempts left, and for those that cannot be decoded or that
        nobody handles; acknowledged there before the message counts as finished. Default: none.
    on_exhausted: without a dead_letter, "park" (the default): the message stays unfinished and is tried
        again every 60 s; "drop": it is given up, counted and logged.
    rate: the most calls of this route per second in one process, retries included; default: no limit.
        After a pause it catches up for at most one second's worth.
    middleware: `async (message, call_next)` functions around the handler, the first outermost; see
        `partita.middleware`.
    isolate_context: True: each message has its own context variables, so that what a handler or a
        middleware sets is not seen by the next message; default False: they are the worker task's, which
        goes on from message to message.
    to: a topic for the handler's result, which is published and acknowledged before the source
        message counts as handled; a result of None publishes nothing.
    start: where a partition without a commit begins, "earliest" (the default) or "latest".
    max_lag: messages that may wait for this route in its group before it is behind; default: what the run
        has, else any number.
    max_age: seconds that the oldest of them may have waited; default: what the run has, else 30.
    behind: a mapping of the options that hold while the route is behind: concurrency and, for a batch
        handler, size and within. Default: none changes.
    """

    group: str
    kind: str
    order: Literal["partition", "key", "none"]
    null_key: Literal["none", "serial"]
    key_from: Callable[..., bytes | None]
    timeout: float
    concurrency: int
    run: Literal["inline", "thread", "process"]
    retry: Retry
    rate: float
    middleware: Sequence[Callable[..., Awaitable[object]]]
    isolate_context: bool
    dead_letter: str
    on_exhausted: Literal["park", "drop"]
    to: str
    start: Literal["earliest", "latest"]
    max_lag: int
    max_age: float
    behind: Mapping[str, object]


# What may change while messages are in hand; size and within are of batches.
MODE_OPTIONS = ("concurrency", "size", "within")

_CHOICES = {
    "order": ("partition", "key", "none"),
    "null_key": ("none", "serial"),
    "on_exhausted": ("park", "drop"),
    "run": ("inline", "thread", "process"),
    "start": ("earliest", "latest"),
}


@attrs.frozen
class RouteSettings:
    """The options of one route with every default filled in, checked."""

    group: str | None = None
    kind: str | None = None
    order: str = "partition"
    null_key: str = "none"
    key_from: Callable[..., bytes | None] | None = None
    timeout: float | None = None
    concurrency: int = 64
    run: str | None = None
    retry: Retry = Retry()
    rate: float | None = None
    middleware: Sequence[Callable[..., Awaitable[object]]] = ()
    isolate_context: bool = False
    dead_letter: str | None = None
    on_exhausted: str = "park"
    to: str | None = None
    start: str = "earliest"
    max_lag: int | None = None
    max_age: float | None = None
    behind: Mapping[str, Any] | None = None

    def problem(self) -> str | None:
        """What cannot be used, in words; None when all can."""
        return self._out_of_range() or self._unknown_choice() or self._misnamed()

    def _out_of_range(self) -> str | None:
        whole = isinstance(self.concurrency, int) and not isinstance(self.concurrency, bool)
        checks = {
            f"concurrency={self.concurrency!r}: give a whole number of 1 or more": whole
            and self.concurrency > 0,
            f"key_from={self.key_from!r}: give a function of the message": self.key_from is None
            or callable(self.key_from),
            f"timeout={self.timeout!r}: give a number of seconds above 0": self.timeout is None
            or (is_number(self.timeout) and 0 < self.timeout < math.inf),
            f"isolate_context={self.isolate_context!r}: give True or False": isinstance(
                self.isolate_context, bool
            ),
            f"retry={self.retry!r}: give a partita.Retry": isinstance(self.retry, Retry),
        }
        rate = None if self.rate is None else rate_problem(self.rate)
        wrong = [problem for problem, fine in checks.items() if not fine]
        other = rate or middleware_problem(self.middleware) or limits_problem(self.max_lag, self.max_age)
        return next(iter(wrong), other)

    def _unknown_choice(self) -> str | None:
        for option, choices in _CHOICES.items():
            if (value := getattr(self, option)) not in (*choices, getattr(RouteSettings(), option)):
                return f"{option}={value!r}: give {' or '.join(map(repr, choices))}"
        return None

    def _misnamed(self) -> str | None:
        for option in ("group", "kind", "to", "dead_letter"):
            value = getattr(self, option)
            if value is not None and not (isinstance(value, str) and value):
                return f"{option}={value!r}: give a name"
        for option in ("to", "dead_letter"):
            value = getattr(self, option)
            if value is not None and not is_topic_name(value):
                return f"{option}={value!r}: give a topic of 1 to 249 letters, digits, '.', '_' or '-'"
        return None


_NAMES = tuple(attrs.fields_dict(RouteSettings))


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that names the known name nearest to *name*, or all of them when none is near."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(names)}"


def route_settings(defaults: Mapping[str, object], given: Mapping[str, object], where: str) -> RouteSettings:
    """
    Fill in and check the options of one route.

    Args:
        defaults: the router's own options.
        given: the route's, which win.
        where: function, file and line, for the error.

    Raises:
        RouteError: an option is misspelt or its value cannot be used.
    """
    check_option_names(given, where)
    settings = RouteSettings(**{**defaults, **given})  # type: ignore[arg-type]
    if problem := settings.problem():
        raise RouteError(f"{where}: {problem}")
    return settings


def check_option_names(given: Iterable[str], where: str) -> None:
    """
    Refuse an option that no route has.

    Raises:
        RouteError: with the nearest name there is.
    """
    for name in given:
        if name not in _NAMES:
            raise RouteError(f"{where}: there is no option {name!r}; {nearest(name, _NAMES)}")


def is_topic_name(topic: str) -> bool:
    """
    Whether every broker takes it: 1 to 249 letters, digits, '.', '_' or '-'.

    The rule is Kafka's (`org.apache.kafka.common.internals.Topic`); one rule for all backends lets a
    router move between them.
    """
    legal = 0 < len(topic) <= 249 and topic not in (".", "..")
    return legal and all(c.isascii() and (c.isalnum() or c in "._-") for c in topic)


def check_topic_name(topic: object) -> str:
    """
    A topic's name as every broker takes it; see `is_topic_name`.

    Raises:
        SettingsError: it is not such a name.
    """
    if not (isinstance(topic, str) and is_topic_name(topic)):
        raise SettingsError(f"{topic!r} is no topic name; use 1 to 249 letters, digits, '.', '_' or '-'")
    return topic
