"""The two modes of a route: as it is declared, and the one that holds while it is behind."""

from collections.abc import Mapping
from typing import Any

import attrs

from partita.core.batches import BatchLimits
from partita.core.settings import MODE_OPTIONS, RouteSettings, nearest


@attrs.frozen
class Mode:
    """
    What may change while messages are in hand.

    Args:
        concurrency: calls that are unfinished at once in this process.
        batch: for a batch handler, when a batch is handed over.
    """

    concurrency: int
    batch: BatchLimits | None = None


def usual_mode(settings: RouteSettings, batch: BatchLimits | None) -> Mode:
    """The mode of a route that is not behind."""
    return Mode(settings.concurrency, batch)


def behind_mode(settings: RouteSettings, batch: BatchLimits | None) -> Mode | None:
    """The mode of a route while it is behind; None: it has no other. The options were checked before."""
    if settings.behind is None:
        return None
    given = dict(settings.behind)
    concurrency = given.pop("concurrency", settings.concurrency)
    return Mode(concurrency, None if batch is None else attrs.evolve(batch, **given))


def behind_problem(behind: Mapping[str, Any] | None, batch: BatchLimits | None) -> str | None:
    """What cannot be used of the options for a route that is behind, in words; None when all can."""
    if behind is None:
        return None
    if not isinstance(behind, Mapping) or not behind:
        return f"behind={behind!r}: give a mapping of options, such as {{'concurrency': 256}}"
    unfit = next((problem for name in behind if (problem := _unfit(str(name), batch))), None)
    return unfit or _out_of_range(behind, batch)


def _unfit(name: str, batch: BatchLimits | None) -> str | None:
    if name == "order":
        return "behind={'order': ...}: the order of messages in hand cannot change; leave it out"
    if name not in MODE_OPTIONS:
        known = nearest(name, MODE_OPTIONS)
        return f"behind={{{name!r}: ...}} cannot change while a route runs; {known}"
    if name != "concurrency" and batch is None:
        return f"behind={{{name!r}: ...}} is for batch handlers; leave it out"
    return None


def _out_of_range(behind: Mapping[str, Any], batch: BatchLimits | None) -> str | None:
    most = behind.get("concurrency", 1)
    if not (isinstance(most, int) and not isinstance(most, bool) and most > 0):
        return f"behind={{'concurrency': {most!r}}}: give a whole number of 1 or more"
    sizes = {name: value for name, value in behind.items() if name != "concurrency"}
    problem = None if batch is None else attrs.evolve(batch, **sizes).problem()
    return None if problem is None else f"behind: {problem}"
