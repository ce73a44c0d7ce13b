"""Router and Route: which function handles what. Collected at import, checked at once, compiled per group."""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from re import Pattern, compile, escape
from re import error as RegexError
from typing import TYPE_CHECKING, TypeVar, Unpack

import attrs

from partita.configuring import configure_routes
from partita.core.backlog import Backlog
from partita.core.batches import BatchLimits, no_batch_options
from partita.core.errors import RouteError, SettingsError
from partita.core.modes import behind_problem
from partita.core.routes import RouteTable, Source, spell
from partita.core.settings import (
    RouteOptions,
    RouteSettings,
    check_option_names,
    check_topic_name,
    route_settings,
)
from partita.handlers import HandlerPlan, check_run, check_wants, place_of, plan_handler

if TYPE_CHECKING:
    from partita.bus import EventBus

H = TypeVar("H", bound=Callable[..., object])
B = TypeVar("B", bound=Callable[[Backlog], object])
L = TypeVar("L", bound=Callable[..., AsyncIterator[object]])


@attrs.frozen(eq=False)
class Route:
    """
    One decorated function.

    Args:
        sources: topic names and patterns that it reads.
        settings: its options, defaults filled in.
        plan: how it is called.
        kind_header: the header that names a message's kind.
        lifespan: the lifespan of the router it was declared on, if it has one.
        batch: for a batch handler, when it is called.
        on_backlog: told when it goes behind and when it has caught up.
    """

    sources: tuple[Source, ...]
    settings: RouteSettings
    plan: HandlerPlan
    kind_header: str
    lifespan: Callable[["EventBus"], AsyncIterator[object]] | None = None
    batch: BatchLimits | None = None
    on_backlog: tuple[Callable[[Backlog], object], ...] = ()

    @property
    def runs(self) -> str:
        """Where the handler runs: "inline" on the event loop, in a "thread", or in a "process"."""
        return self.settings.run or ("thread" if self.plan.blocking else "inline")

    def __repr__(self) -> str:
        return f"<Route {', '.join(map(spell, self.sources))} -> {self.plan.name}>"


class Router:
    """
    A table from topics to functions.

    Args:
        kind_header: the header that names a message's kind; default "type".
        **options: defaults for every route; see `RouteOptions`.

    Raises:
        RouteError: an option is misspelt or its value cannot be used.
    """

    def __init__(self, *, kind_header: str = "type", **options: Unpack[RouteOptions]) -> None:
        check_option_names(options, "Router")
        route_settings({}, options, "Router")
        self._kind_header = kind_header
        self._defaults: Mapping[str, object] = dict(options)
        self._routes: list[Route] = []
        self._table: dict[str | None, RouteTable[Route]] = {}
        self._lifespan: Callable[[EventBus], AsyncIterator[object]] | None = None
        self._on_backlog: list[Callable[[Backlog], object]] = []

    @property
    def routes(self) -> Sequence[Route]:
        """Every route in the order of declaration, included routers' too."""
        told = tuple(self._on_backlog)
        return tuple(
            attrs.evolve(each, lifespan=each.lifespan or self._lifespan, on_backlog=(*each.on_backlog, *told))
            for each in self._routes
        )

    def handler(self, *sources: Source, **options: Unpack[RouteOptions]) -> Callable[[H], H]:
        """
        Let the decorated function handle every message of *sources*. It stays the function it was.

        Args:
            *sources: topic names, and compiled patterns that match whole topic names.
            **options: see `RouteOptions`; they win over the router's.

        Raises:
            RouteError: the function cannot be served, an option cannot be used, or another handler of
                this router has the same topic, kind and group.
            SettingsError: a topic's name is not one.
        """

        bare = next((each for each in sources if callable(each)), None)
        if bare is not None:
            raise RouteError(f"{place_of(bare)}: name what it reads: @router.handler('some-topic')")

        def decorate(function: H) -> H:
            plan = plan_handler(function)
            check_wants(plan, batch=False)
            settings = route_settings(self._defaults, options, plan.where)
            check_run(plan, settings.run)
            self._add(Route(_checked(sources, plan), settings, plan, self._kind_header))
            return function

        return decorate

    def batch_handler(
        self, *sources: Source, size: int, within: float, **options: Unpack[RouteOptions]
    ) -> Callable[[H], H]:
        """
        Let the decorated function handle the messages of *sources* in batches; it takes a `Batch`, and a
        `Context` of the first message if it likes. No batch mixes partitions.

        A batch of which the handler names bad messages (`batch.fail`) is done but for those. When the handler
        raises, the batch is called again in two halves at once, and so on, until each bad message stands
        alone and goes the way of any failed message, with its own attempts.

        Args:
            *sources: topic names, and compiled patterns that match whole topic names.
            size: messages in a batch, at the most.
            within: seconds after the first message of a batch has been read until it is handed over, at the
                latest.
            **options: see `RouteOptions`; `concurrency` counts batches. With order="partition" and with
                order="key" the batches of a partition follow each other. A batch takes every kind of its
                topic, and has no middleware, rate, ordering key, result or process: these are refused.

        Raises:
            RouteError: the function cannot be served, an option cannot be used, or another handler of
                this router has one of these topics in its group.
            SettingsError: a topic's name is not one.
        """

        def decorate(function: H) -> H:
            plan = plan_handler(function)
            check_wants(plan, batch=True)
            limits = BatchLimits(size, within)
            if problem := limits.problem() or no_batch_options({**self._defaults, **options}):
                raise RouteError(f"{plan.where}: {problem}")
            settings = route_settings(self._defaults, options, plan.where)
            check_run(plan, settings.run)
            self._add(Route(_checked(sources, plan), settings, plan, self._kind_header, batch=limits))
            return function

        return decorate

    def include(self, other: "Router", *, prefix: str = "") -> None:
        """
        Take over the routes of *other* as they are now, with its options, kind header and lifespan.

        Args:
            other: another router.
            prefix: put before each topic and pattern that it reads; topics it publishes to are left alone.

        Raises:
            RouteError: a handler of both has the same topic, kind and group.
        """
        for route in other.routes:
            sources = tuple(_prefixed(prefix, source, route.plan) for source in route.sources)
            self._add(attrs.evolve(route, sources=_checked(sources, route.plan)))

    def lifespan(self, function: L) -> L:
        """
        Let the decorated async generator set up what handlers use: entered before the first message,
        left after the last. What it yields is `context.state`.

        Raises:
            RouteError: this router has a lifespan already, or the function is no async generator.
        """
        if not inspect.isasyncgenfunction(inspect.unwrap(function)):
            raise RouteError(
                f"{place_of(function)}: a lifespan is an 'async def' that yields once what handlers use"
            )
        if self._lifespan is not None:
            raise RouteError("a router has one lifespan; open the second resource inside the first")
        self._lifespan = function
        return function

    def configure(self, said: Mapping[str, Mapping[str, object]]) -> None:
        """
        Change options of handlers that were decorated already, such as `{"charge": {"concurrency": 8}}`.

        Args:
            said: options by handler, see `RouteOptions`; a handler is named by its function's name, or by
                "module:name". `retry` may be a mapping of what `Retry` takes.

        Raises:
            RouteError: there is no such handler, or the options cannot be used; all problems are told, and
                nothing is changed.
        """
        made = Router(kind_header=self._kind_header)
        for route in configure_routes(self._routes, said):
            made._add(route)
        self._routes, self._table = made._routes, made._table

    def on_backlog(self, function: B) -> B:
        """
        Let the decorated function know when a route of this router goes behind, and when all of a group
        have caught up: it is called with the `Backlog` of their group and topics, `behind` says which.

        A plain function is called on the event loop, an `async def` is awaited beside the handlers; while it
        runs, only the latest news waits for it. What it raises is logged and harms nothing. May be used
        several times.
        """
        if not callable(function):
            raise RouteError("on_backlog is written without brackets, above a function of the backlog")
        self._on_backlog.append(function)
        return function

    def _add(self, route: Route) -> None:
        _check_dead_letter(route)
        if problem := behind_problem(route.settings.behind, route.batch):
            raise RouteError(f"{route.plan.where}: {problem}")
        table = self._table.setdefault(route.settings.group, RouteTable())
        for source in route.sources:
            table.add(source, route.settings.kind, route, route.plan.where)
            _check_alone(table, source, route)
        self._routes.append(route)

    def __repr__(self) -> str:
        return f"<Router with {len(self._routes)} routes>"


def _checked(sources: Sequence[Source], plan: HandlerPlan) -> tuple[Source, ...]:
    if not sources:
        raise RouteError(f"{plan.where}: name at least one topic")
    for source in sources:
        if isinstance(source, str):
            _check_name(source, plan)
        elif not (isinstance(source, Pattern) and isinstance(source.pattern, str)):
            raise RouteError(f"{plan.where}: {source!r} is neither a topic name nor re.compile(...)")
    return tuple(sources)


def _check_name(topic: str, plan: HandlerPlan) -> None:
    try:
        check_topic_name(topic)
    except SettingsError as error:
        raise RouteError(f"{plan.where}: {error}") from error


def _check_alone(table: RouteTable[Route], source: Source, route: Route) -> None:
    """A batch handler takes every kind: with another beside it messages would overtake each other."""
    kinds = table.kinds(source).values()
    if len(kinds) > 1 and any(each.batch is not None for each in kinds):
        raise RouteError(
            f"{route.plan.where}: a batch handler takes every kind of {spell(source)}, and there is another "
            "handler of it in this group; give one of them a group= of its own"
        )


def _check_dead_letter(route: Route) -> None:
    topic = route.settings.dead_letter
    if topic is None:
        return
    for source in route.sources:
        if source == topic or (isinstance(source, Pattern) and source.fullmatch(topic)):
            raise RouteError(
                f"{route.plan.where}: dead_letter={topic!r} is read by it through {spell(source)}, so a "
                "message that fails would come back for ever; name another topic, or narrow the pattern"
            )


def _prefixed(prefix: str, source: Source, plan: HandlerPlan) -> Source:
    if isinstance(source, str):
        return prefix + source
    try:
        return compile(escape(prefix) + f"(?:{source.pattern})", source.flags) if prefix else source
    except RegexError as refused:
        raise RouteError(
            f"{plan.where}: {spell(source)} cannot take the prefix {prefix!r} ({refused}); "
            "give flags to re.compile instead of writing them into the pattern"
        ) from refused


def by_group(routes: Sequence[Route], group: str) -> Iterator[tuple[str, RouteTable[Route]]]:
    """
    The route table of each group.

    Args:
        routes: a router's routes.
        group: the group of the routes that name none.

    Raises:
        RouteError: a route that names *group* outright clashes with one that names none.
    """
    tables: dict[str, RouteTable[Route]] = {}
    for route in routes:
        table = tables.setdefault(route.settings.group or group, RouteTable())
        for source in route.sources:
            table.add(source, route.settings.kind, route, route.plan.where)
            _check_alone(table, source, route)
    yield from tables.items()
