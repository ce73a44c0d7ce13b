"""What a worker says at its start and at its end. Plain functions from facts to lines."""

import importlib.util
import re
from collections.abc import Iterable, Iterator, Sequence

import attrs

from partita import Route, Router, Summary

MEMORY_GROUP = "partita"


@attrs.frozen
class StartFacts:
    """
    What the start banner tells.

    Args:
        address: the bus, without any secret.
        group: the group of routes that name none; None on memory, where it may be left out.
        loop: the event loop's name.
        tracing: on or off, and why.
        health: where the health endpoint is; None: there is none.
        control: where the control socket is, when it was said where; None: where commands look for it.
    """

    address: str
    group: str | None
    loop: str
    tracing: str
    health: str | None = None
    control: str | None = None


def uvloop_is_installed() -> bool:
    """Whether the faster event loop can be used."""
    return importlib.util.find_spec("uvloop") is not None


def banner(router: Router, facts: StartFacts) -> Iterator[str]:
    """The lines of the start banner."""
    yield f"bus      {facts.address}"
    yield f"group    {facts.group or f'{MEMORY_GROUP} (the default on memory)'}"
    for index, route in enumerate(router.routes):
        yield f"{'routes' if index == 0 else '':8} {describe_route(route)}"
    starts = sorted({route.settings.start for route in router.routes})
    yield f"start    {', '.join(starts)}, where nothing was committed yet"
    yield f"loop     {facts.loop}"
    yield facts.tracing.replace("tracing ", "tracing  ", 1)
    if facts.health is not None:
        yield f"health   {facts.health}"
    if facts.control is not None:
        yield f"control  {facts.control}"


WHERE = {"inline": "inline", "thread": "in threads", "process": "in processes"}


def describe_route(route: Route) -> str:
    """One route on one line: sources, handler, and the options that matter."""
    settings = route.settings
    options = [f"concurrency {settings.concurrency}", f"order {settings.order}"]
    options.append(WHERE[route.runs])
    if settings.kind is not None:
        options.append(f"kind {settings.kind}")
    if settings.group is not None:
        options.append(f"group {settings.group}")
    if settings.to is not None:
        options.append(f"to {settings.to}")
    return f"{sources_of(route)} -> {route.plan.name} ({', '.join(options)})"


def sources_of(route: Route) -> str:
    """The topics and patterns of a route; a pattern stands between slashes."""
    return ", ".join(s if isinstance(s, str) else f"/{s.pattern}/" for s in route.sources)


def closing(summary: Summary, seconds: float) -> Iterator[str]:
    """The lines of the closing summary."""
    rate = summary.handled / seconds if seconds > 0 else 0.0
    yield (
        f"handled {summary.handled}, failed {summary.failed}, {rate:.0f} messages a second, {seconds:.2f} s"
    )
    for parked in summary.parked:
        yield f"parked {parked}"
    if summary.uncommitted:
        yield f"uncommitted {summary.uncommitted} partitions: no broker took their last offsets"
    if summary.abandoned:
        yield f"abandoned {summary.abandoned} whose handler did not end in time; they are read again"


def topics_of(router: Router, extra: Iterable[str] = ()) -> Sequence[str]:
    """Every topic that a router names, read or published to, and *extra*; sorted."""
    named: set[str] = set(extra)
    for route in router.routes:
        named.update(s for s in route.sources if not isinstance(s, re.Pattern))
        if route.settings.to is not None:
            named.add(route.settings.to)
    return sorted(named)


def groups_of(router: Router, group: str | None) -> Sequence[str]:
    """Every group that a router reads in, sorted; *group* is that of routes that name none."""
    return sorted({each.settings.group or group or MEMORY_GROUP for each in router.routes})


def dead_letter_topics(router: Router) -> Sequence[str]:
    """Every topic that a router keeps dead letters in, sorted."""
    return sorted({each.settings.dead_letter for each in router.routes if each.settings.dead_letter})
