"""Decide which message a process died of, so that the others it had are not held against it."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def culprit(in_hand: Sequence[T], handled: int, overdue: T | None) -> T | None:
    """
    The message whose attempt has failed because its process is dead; None: it had none to die of.

    Args:
        in_hand: what the process had, in order, without what it has answered.
        handled: how many of these it had handled, with nobody told: they are handled again.
        overdue: the message that it was killed for; it may have been answered at the last moment.
    """
    if overdue is not None:
        return overdue if overdue in in_hand else None
    return in_hand[handled] if handled < len(in_hand) else None
