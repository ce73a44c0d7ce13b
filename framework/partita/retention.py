"""Whether a message is still there when its last attempt is due."""

from collections.abc import Collection, Iterable, Mapping
from re import Pattern

from partita.core.errors import RouteError
from partita.core.ports import Backend
from partita.router import Route


async def check_retention(routes: Iterable[Route], backend: Backend, there: Collection[str]) -> None:
    """
    Whether the retries of *routes* end before the broker deletes what is retried.

    Args:
        routes: what will be run.
        backend: tells how long it keeps messages.
        there: the topics that exist.

    Raises:
        RouteError: they do not: a restart would lose the message. The text names function, file and line.
        Exception: the client's own error.
    """
    reads = {route: [topic for topic in there if _reads(route, topic)] for route in routes}
    kept = await backend.retention({topic for topics in reads.values() for topic in topics})
    for route, topics in reads.items():
        for topic in topics:
            _check(route, topic, kept)


def _reads(route: Route, topic: str) -> bool:
    return any(
        source.fullmatch(topic) is not None if isinstance(source, Pattern) else source == topic
        for source in route.sources
    )


def _check(route: Route, topic: str, kept: Mapping[str, float]) -> None:
    longest = route.settings.retry.longest
    if topic in kept and longest >= kept[topic]:
        raise RouteError(
            f"{route.plan.where}: its retries take {longest:g} s, and {topic!r} keeps a message for "
            f"{kept[topic]:g} s, so it may be gone before its last attempt; give Retry fewer attempts or a "
            "smaller backoff, or have the topic keep messages longer"
        )
