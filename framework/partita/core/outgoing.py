"""A message on its way to the broker, and where it was stored."""

from typing import NamedTuple, TypedDict

import attrs

from partita.core.records import Headers


class Receipt(NamedTuple):
    """Where the broker stored a message. *timestamp* is in milliseconds since 1970."""

    topic: str
    partition: int
    offset: int
    timestamp: int


class MessageOptions(TypedDict, total=False):
    """
    What may be said about a message beside its value.

    key: messages with equal keys go to one partition, in order; None, the default: any partition.
    headers: name and bytes pairs; order and duplicates are kept.
    partition: a partition number that overrides the choice by key.
    timestamp: milliseconds since 1970; default: now. NATS stamps itself and refuses one.
    """

    key: bytes | None
    headers: Headers
    partition: int | None
    timestamp: int | None


@attrs.frozen
class Outgoing:
    """
    A message to publish.

    Args:
        value: the payload; None is a null value, which empty bytes are not.
        key, headers, partition, timestamp: see `MessageOptions`.
    """

    value: bytes | None
    key: bytes | None = attrs.field(default=None, kw_only=True)
    headers: Headers = attrs.field(default=(), kw_only=True)
    partition: int | None = attrs.field(default=None, kw_only=True)
    timestamp: int | None = attrs.field(default=None, kw_only=True)
