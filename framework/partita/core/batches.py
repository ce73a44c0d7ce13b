"""
Decide what becomes of a batch when its handler has ended. Pure.

A handler that ends well has done all its messages but those it named as failed. One that raises has done
none of them for sure: those it named have failed, and the rest is called again in two halves, so that a bad
message is found in about twice the binary logarithm of the batch's length, and all others are done.
"""

from collections.abc import Mapping, Sequence
from math import inf

import attrs

from partita.core.retries import is_number


@attrs.frozen
class BatchLimits:
    """
    When a batch is handed to its handler.

    Args:
        size: messages at which it is; no batch is longer.
        within: seconds after its first message has been read, at the latest.
    """

    size: int
    within: float

    def problem(self) -> str | None:
        """What cannot be used, in words; None when both can."""
        whole = isinstance(self.size, int) and not isinstance(self.size, bool)
        if not (whole and self.size > 0):
            return f"size={self.size!r}: give a whole number of messages, 1 or more"
        if not (is_number(self.within) and 0 <= self.within < inf):
            return f"within={self.within!r}: give a number of seconds, 0 or more"
        return None


@attrs.frozen
class Verdict:
    """
    What becomes of each message of a batch, by its index.

    Args:
        done: those that are finished.
        failed: those that have failed, each with its error.
        again: those that are to be called again, a piece each.
    """

    done: Sequence[int]
    failed: Mapping[int, BaseException]
    again: Sequence[Sequence[int]]


def judge(count: int, named: Mapping[int, BaseException], failure: BaseException | None) -> Verdict:
    """
    What becomes of a batch.

    Args:
        count: how many messages it has.
        named: the messages that the handler has named as failed.
        failure: what the handler raised; None: it ended well.
    """
    # A thread that was given up with its call goes on, and may go on naming.
    named = dict(named)
    rest = [index for index in range(count) if index not in named]
    if failure is None:
        return Verdict(rest, named, ())
    if len(rest) == 1:
        return Verdict((), {**named, rest[0]: failure}, ())
    middle = (len(rest) + 1) // 2
    return Verdict((), named, [piece for piece in (rest[:middle], rest[middle:]) if piece])


def no_batch_options(options: Mapping[str, object]) -> str | None:
    """Why *options* are none for a route of batches; None when they are."""
    for name in ("kind", "middleware", "rate", "key_from", "null_key", "to", "isolate_context"):
        if options.get(name):
            return f"{name}= is for handlers of single messages; leave it out"
    return "run='process' is for handlers of single messages" if options.get("run") == "process" else None
