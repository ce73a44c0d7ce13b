"""
The errors that are ours. A client's error is never wrapped: it arrives as the client raised it.

    PartitaError
    ├── SettingsError        a value, an option or an address cannot be used
    ├── RouteError           a handler or a router cannot be served as it is written
    ├── TopicMissing         the broker has no topic of that name
    ├── MessageTooLarge      refused before sending, nothing else affected
    ├── DecodeError          a message does not fit what its handler asks for
    ├── Unroutable           nobody handles this kind of message
    ├── Closed               the bus or the subscription is closed
    └── RestartLimitReached  a supervisor gave up on a child

    PublishErrors            an ExceptionGroup of the client's own errors
"""

from collections.abc import Mapping, Sequence


class PartitaError(Exception):
    """Base of the errors that this package raises itself."""


class SettingsError(PartitaError, ValueError):
    """A value, an option or an address cannot be used; the text says what can."""


class RouteError(PartitaError, TypeError):
    """A handler or a router cannot be served as it is written; the text names function and place."""


class TopicMissing(PartitaError, LookupError):
    """The broker has no topic of this name. Nothing was made in its place."""

    def __init__(self, topic: str) -> None:
        super().__init__(
            f"there is no topic {topic!r} on the broker; make it with "
            f"'worker topics create {topic}', or start the worker with --create-topics"
        )
        self.topic = topic


class MessageTooLarge(PartitaError, ValueError):
    """A message is above the size that the broker takes; sizes are in bytes."""

    def __init__(self, topic: str, size: int, limit: int) -> None:
        super().__init__(
            f"a message of {size} bytes for {topic!r} is above the limit of {limit} bytes; "
            "send a reference to it, or raise the limit on the broker and on this client"
        )
        self.topic, self.size, self.limit = topic, size, limit


class DecodeError(PartitaError, ValueError):
    """A message does not fit what its handler asks for. It is never retried: its bytes stay as they are."""


class Unroutable(PartitaError, LookupError):
    """No handler of the topic takes messages of this kind."""

    def __init__(self, topic: str, header: str) -> None:
        super().__init__(
            f"no handler of {topic!r} takes the kind that this message names in its header "
            f"{header!r}; add a handler for that kind, or one without kind= for all others"
        )
        self.topic, self.header = topic, header


class Closed(PartitaError, RuntimeError):
    """The bus or the subscription is closed; open a new one."""


class RestartLimitReached(PartitaError):
    """A child failed too often in too short a time, so its supervisor failed in turn."""

    def __init__(self, child: str, failures: int, period: float) -> None:
        super().__init__(
            f"{child} failed {failures} times within {period:g} s; its last error is the cause of "
            "this one: mend that, then start again"
        )
        self.child, self.failures, self.period = child, failures, period


class PublishErrors(ExceptionGroup[Exception]):
    """
    Some messages of a batch were not acknowledged; the client's own errors are inside.

    Attributes:
        receipts: the receipt of each message by its index in the batch, where there is one.
        errors: the client's error of each other message, by its index.
    """

    receipts: Mapping[int, object]
    errors: Mapping[int, Exception]

    def __new__(
        cls,
        message: str,
        excs: Sequence[Exception],
        receipts: Mapping[int, object] | None = None,
        errors: Mapping[int, Exception] | None = None,
    ) -> "PublishErrors":
        """Group *excs*; without *errors* they are numbered as they come."""
        made = super().__new__(cls, message, excs)
        made.receipts = dict(receipts or {})
        made.errors = dict(errors if errors is not None else enumerate(excs))
        return made

    def __init__(
        self,
        message: str,
        excs: Sequence[Exception],
        receipts: Mapping[int, object] | None = None,
        errors: Mapping[int, Exception] | None = None,
    ) -> None:
        super().__init__(message, excs)

    def derive(self, excs: Sequence[Exception]) -> "PublishErrors":  # type: ignore[override]
        """Keep receipts when `except*` splits the group; each part knows its own errors."""
        errors = {index: error for index, error in self.errors.items() if error in excs}
        return PublishErrors(self.message, excs, self.receipts, errors)
