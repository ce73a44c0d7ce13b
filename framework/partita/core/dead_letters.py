"""
A dead letter: the message as it was, with headers that say where it was and why nobody could handle it.

All of these headers begin with one prefix. What an arriving message has under that prefix is dropped, so
that nobody can pretend that a message was elsewhere; only the number of its replays is kept, which can
make a message be replayed less often and never more often.
"""

import re
from collections.abc import Mapping
from typing import Literal

import attrs

from partita.core.errors import DecodeError, Unroutable
from partita.core.health import describe
from partita.core.ports import Headers, Outgoing, RecordReader
from partita.core.records import flaw_of
from partita.core.settings import is_topic_name

PREFIX = "partita-dlq-"
REPLAYS = f"{PREFIX}replays"
LONGEST_TEXT = 300
_NUMBER = re.compile(rb"-?[0-9]{1,19}")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*", re.DOTALL)

Reason = Literal["exhausted", "undecodable", "unroutable"]


@attrs.frozen
class Death:
    """
    Why a message is given up.

    Args:
        handler: the name of the handler that failed, or of nobody.
        group: the consumer group that it reads in.
        attempts: how often the message was tried.
        first: what was raised first.
        last: what was raised last.
        trace_id: 32 hexadecimal digits; None: the trace that the message itself names, if any.
    """

    handler: str
    group: str
    attempts: int
    first: BaseException
    last: BaseException
    trace_id: str | None = None


@attrs.frozen(kw_only=True)
class DeathNotice:
    """
    What the headers of a dead letter say, every text on one line and at most 300 characters long.

    Args:
        topic, partition, offset: where the message was.
        timestamp: when it was published, in milliseconds since 1970; None if that is not told.
        attempts: how often it was tried, since it was published or replayed last.
        replays: how often it was replayed before.
        reason: "exhausted" (attempts used up), "undecodable" or "unroutable".
        first_error_class, first_error: class and text of what was raised first.
        error_class, error: class and text of what was raised last.
        handler: the handler's name.
        group: the consumer group.
        trace_id: the trace that it belongs to; empty when there is none.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int | None = None
    attempts: int = 0
    replays: int = 0
    reason: str = ""
    first_error_class: str = ""
    first_error: str = ""
    error_class: str = ""
    error: str = ""
    handler: str = ""
    group: str = ""
    trace_id: str = ""


# The header of each fact; `replays` is written by a replay only.
_NAMES: Mapping[str, str] = {
    "topic": f"{PREFIX}topic",
    "partition": f"{PREFIX}partition",
    "offset": f"{PREFIX}offset",
    "timestamp": f"{PREFIX}timestamp",
    "attempts": f"{PREFIX}attempts",
    "first_error_class": f"{PREFIX}first-error-class",
    "first_error": f"{PREFIX}first-error",
    "error_class": f"{PREFIX}last-error-class",
    "error": f"{PREFIX}last-error",
    "handler": f"{PREFIX}handler",
    "group": f"{PREFIX}group",
    "trace_id": f"{PREFIX}trace-id",
    "reason": f"{PREFIX}reason",
}


def dead_letter(record: object, reader: RecordReader, death: Death) -> Outgoing:
    """
    The message to publish to the dead-letter topic for *record*.

    Value, key and headers are those of the message, byte for byte and in order; ours follow. It has no
    timestamp of its own, which NATS would refuse: the original one is a header.
    """
    headers, flaw = reader.headers(record), flaw_of(reader, record)
    value = reader.value(record) if flaw is None else flaw.remains
    facts: dict[str, object] = {
        "topic": reader.topic(record),
        "partition": reader.partition(record),
        "offset": reader.offset(record),
        "timestamp": reader.timestamp(record),
        "attempts": death.attempts,
        "first_error_class": class_name(death.first),
        "first_error": error_text(death.first),
        "error_class": class_name(death.last),
        "error": error_text(death.last),
        "handler": one_line(death.handler),
        "group": one_line(death.group),
        "trace_id": trace_id_of(headers) if death.trace_id is None else death.trace_id,
        "reason": reason_of(death.last),
    }
    ours = [(_NAMES[fact], str(value).encode()) for fact, value in facts.items() if value != ""]
    replays = replays_of(headers)
    if replays:
        ours.append((REPLAYS, b"%d" % replays))
    return Outgoing(value, key=reader.key(record), headers=(*without_ours(headers), *ours))


def read_dead_letter(headers: Headers) -> DeathNotice | None:
    """
    What the headers of a message in a dead-letter topic say; None when they are not those of one.

    Only topic, partition and offset must be there and make sense; anything else that is missing or
    damaged is left at its default. Of several headers of one name the last counts.
    """
    told = {name: value for name, value in headers if name.startswith(PREFIX)}
    topic = told.get(_NAMES["topic"], b"").decode("ascii", "replace")
    partition, offset = (_number(told.get(_NAMES[fact])) for fact in ("partition", "offset"))
    if partition is None or offset is None or min(partition, offset) < 0 or not is_topic_name(topic):
        return None
    texts = {
        fact: one_line(told[name].decode("utf-8", "replace"))
        for fact, name in _NAMES.items()
        if name in told and fact not in ("topic", "partition", "offset", "timestamp", "attempts")
    }
    return DeathNotice(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=_number(told.get(_NAMES["timestamp"])),
        attempts=max(0, _number(told.get(_NAMES["attempts"])) or 0),
        replays=replays_of(headers),
        **texts,
    )


def replayed(value: bytes | None, key: bytes | None, headers: Headers) -> Outgoing:
    """The message that a dead letter was, with one replay more counted; the headers are the dead letter's."""
    count = b"%d" % (replays_of(headers) + 1)
    return Outgoing(value, key=key, headers=(*without_ours(headers), (REPLAYS, count)))


def without_ours(headers: Headers) -> Headers:
    """The headers that are the message's own, in their order."""
    return tuple(pair for pair in headers if not pair[0].startswith(PREFIX))


def replays_of(headers: Headers) -> int:
    """How often a message was replayed, as its headers say; what is no number counts as 0."""
    return max([0, *(_number(value) or 0 for name, value in headers if name == REPLAYS)])


def reason_of(error: BaseException) -> Reason:
    """Why a message is given up whose last error this is."""
    if isinstance(error, DecodeError):
        return "undecodable"
    return "unroutable" if isinstance(error, Unroutable) else "exhausted"


def class_name(error: BaseException) -> str:
    """The dotted name of an error's class, without a module for built-in ones."""
    kind = type(error)
    bare = kind.__module__ == "builtins"
    return one_line(kind.__qualname__ if bare else f"{kind.__module__}.{kind.__qualname__}")


def error_text(error: BaseException) -> str:
    """The text of an error on one line, at most 300 characters; never a stack trace."""
    return describe(error).removeprefix(type(error).__name__).removeprefix(": ")


def trace_id_of(headers: Headers) -> str:
    """The trace that a message names in a well-formed `traceparent`; else nothing."""
    found = [_TRACEPARENT.fullmatch(value) for name, value in headers if name.lower() == "traceparent"]
    ids = {match[1].decode() for match in found if match}
    return ids.pop() if len(ids) == 1 else ""


def one_line(text: str) -> str:
    """*text* with control characters escaped, at most 300 characters."""
    escaped = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text[:LONGEST_TEXT])
    return escaped if len(escaped) <= LONGEST_TEXT else escaped[: LONGEST_TEXT - 3] + "..."


def _number(value: bytes | None) -> int | None:
    return int(value) if value is not None and _NUMBER.fullmatch(value) else None
