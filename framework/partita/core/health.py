"""Judge from what is known whether a bus is healthy, and name what is not and since when."""

from collections.abc import Mapping

import attrs


@attrs.frozen
class Part:
    """
    One part of a bus.

    Args:
        healthy: whether it does what it is there for.
        reason: what is wrong, in words that say where to look; of a healthy one what is worth knowing, or
            nothing.
        since: seconds for which it has been unhealthy; 0 when healthy.
    """

    healthy: bool
    reason: str = ""
    since: float = 0.0


@attrs.frozen
class Health:
    """
    The state of a bus when it was asked.

    Args:
        parts: the state of each part by its name: "broker", then one per consumer and partition in trouble.
    """

    parts: Mapping[str, Part]

    @property
    def healthy(self) -> bool:
        """True when every part is."""
        return all(part.healthy for part in self.parts.values())


@attrs.frozen
class Parked:
    """
    A message whose attempts are used up. It is unfinished: nothing of its partition is committed past it.

    Args:
        handler: the handler's name, or "(none)" for a message nobody handles.
        topic: where it is.
        partition: the partition's number.
        offset: its place there.
        error: class and text of the last error.
    """

    handler: str
    topic: str
    partition: int
    offset: int
    error: str

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset} in {self.handler}: {self.error}"


def describe(error: BaseException) -> str:
    """
    Class, text and first note of *error* on one line, control characters escaped, at most 300 characters.

    A note of several lines, such as the traceback of another process, is left out.
    """
    try:
        notes = [note for note in getattr(error, "__notes__", ())[:1] if "\n" not in note]
        text = "; ".join(filter(None, [str(error), *notes]))
    # A handler's error class may be broken itself; its message's outcome is to be told all the same.
    except Exception as broken:  # noqa: BLE001
        text = f"its text cannot be had ({type(broken).__name__})"
    told = f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__
    escaped = "".join(each if each.isprintable() else repr(each)[1:-1] for each in told)
    return escaped if len(escaped) <= 300 else escaped[:297] + "..."
