"""The router: what may be declared, what is refused where it stands, and what comes of including."""

import re
from collections.abc import AsyncIterator

import pytest

from partita import Backlog, Context, EventBus, Message, Retry, Route, RouteError, Router
from partita.router import by_group

HERE = re.escape(__file__)


def test_the_decorator_returns_the_function_itself() -> None:
    """It stays plainly callable, so it can be tested without any of us."""
    router = Router()

    async def charge(order: bytes) -> bytes:
        return order

    assert charge is router.handler("orders")(charge)


def test_a_handler_reads_several_topics_and_patterns() -> None:
    """One function, one route."""
    router, pattern = Router(), re.compile(r"views\..*")

    @router.handler("clicks", pattern)
    async def count(message: Message) -> None: ...

    (route,) = router.routes
    assert ("clicks", pattern) == route.sources
    assert "<Route 'clicks', the pattern 'views\\\\..*' -> " in repr(route)
    assert repr(router) == "<Router with 1 routes>"


def test_a_routers_options_are_its_routes_defaults() -> None:
    """What a route says itself wins."""
    router = Router(concurrency=2, retry=Retry(attempts=1), group="billing")

    @router.handler("orders")
    async def first(value: bytes) -> None: ...

    @router.handler("bills", concurrency=9)
    async def second(value: bytes) -> None: ...

    assert [(each.settings.concurrency, each.settings.group) for each in router.routes] == [
        (2, "billing"),
        (9, "billing"),
    ]


def test_a_plain_function_runs_in_a_thread_unless_it_says_otherwise() -> None:
    """A blocking call must not freeze heartbeats."""
    router = Router()

    @router.handler("a")
    def blocking(value: bytes) -> None: ...

    @router.handler("b", run="inline")
    def quick(value: bytes) -> None: ...

    @router.handler("c")
    async def waiting(value: bytes) -> None: ...

    assert [each.runs for each in router.routes] == ["thread", "inline", "inline"]


def test_refuses_an_async_function_in_a_thread() -> None:
    """There is no loop in a thread."""

    async def waiting(value: bytes) -> None: ...

    with pytest.raises(RouteError, match=rf"waiting \({HERE}:\d+\): run='thread' is for a plain def"):
        Router().handler("a", run="thread")(waiting)


@pytest.mark.parametrize("kind", [None, "refund"])
def test_refuses_two_handlers_for_one_topic_kind_and_group(kind: str | None) -> None:
    """Which of the two would get the message is nothing to guess at."""
    router = Router(group="billing")
    options = {} if kind is None else {"kind": kind}

    @router.handler("orders", **options)  # type: ignore[arg-type]
    async def first(value: bytes) -> None: ...

    async def second(value: bytes) -> None: ...

    with pytest.raises(RouteError, match=rf"second \({HERE}:\d+\): messages of 'orders'.* have a handler"):
        router.handler("orders", **options)(second)  # type: ignore[arg-type]
    assert len(router.routes) == 1


def test_one_topic_may_have_a_handler_per_kind_and_per_group() -> None:
    """Each of these messages has exactly one place to go in each group."""
    router = Router()

    @router.handler("orders")
    @router.handler("orders", kind="refund")
    @router.handler("orders", group="audit")
    async def handle(value: bytes) -> None: ...

    tables = dict(by_group(router.routes, "billing"))
    assert {None, "refund"} == set(tables["billing"].lookup("orders"))
    assert {None} == set(tables["audit"].lookup("orders"))


def test_refuses_a_clash_that_only_the_runs_group_makes() -> None:
    """One handler names the group outright that the other is run in."""
    router = Router()

    @router.handler("orders")
    @router.handler("orders", group="billing")
    async def handle(value: bytes) -> None: ...

    with pytest.raises(RouteError, match="have a handler in this group already"):
        dict(by_group(router.routes, "billing"))


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        ((), "name at least one topic"),
        (("no topic!",), "'no topic!' is no topic name"),
        (("",), "'' is no topic name"),
        ((5,), "5 is neither a topic name nor re.compile"),
        ((re.compile(b"views"),), "is neither a topic name nor"),
        (("a", "a"), "messages of 'a' have a handler"),
    ],
)
def test_refuses_what_cannot_be_read(sources: tuple[str, ...], told: str) -> None:
    """The error names function, file and line."""

    async def handle(value: bytes) -> None: ...

    with pytest.raises(RouteError, match=rf"handle \({HERE}:\d+\): .*{told}"):
        Router().handler(*sources)(handle)


def test_refuses_a_decorator_without_its_brackets() -> None:
    """The function would never be called, and nobody would say so."""
    router = Router()

    with pytest.raises(RouteError, match=rf"{HERE}:\d+: name what it reads: @router.handler"):

        @router.handler  # type: ignore[arg-type]
        async def handle(value: bytes) -> None: ...


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"concurency": 3}, "Router: there is no option 'concurency'; did you mean 'concurrency'?"),
        ({"concurrency": 0}, "Router: concurrency=0: give a whole number"),
    ],
)
def test_refuses_a_routers_options_at_once(options: dict[str, int], told: str) -> None:
    """Not only when the first handler is declared."""
    with pytest.raises(RouteError, match=re.escape(told)):
        Router(**options)  # type: ignore[arg-type]


def test_refuses_a_misspelt_option_where_it_is_written() -> None:
    """A default that nobody asked for must not be taken in silence."""

    async def handle(value: bytes) -> None: ...

    with pytest.raises(RouteError, match=rf"handle \({HERE}:\d+\): .* did you mean 'concurrency'"):
        Router().handler("a", concurency=3)(handle)  # type: ignore[call-arg]


def test_include_takes_routes_over_with_their_options_and_a_prefix() -> None:
    """Topics and patterns get it; topics that are published to are left alone."""
    inner, outer = Router(concurrency=3, kind_header="kind"), Router()

    @inner.handler("orders", re.compile("views|clicks", re.IGNORECASE), to="bills")
    async def handle(value: bytes) -> bytes:
        return value

    outer.include(inner, prefix="eu.")

    (route,) = outer.routes
    topic, pattern = route.sources
    assert topic == "eu.orders"
    assert isinstance(pattern, re.Pattern)
    assert pattern.fullmatch("eu.CLICKS")
    assert not pattern.fullmatch("euxviews")
    assert (route.settings.to, route.settings.concurrency, route.kind_header) == ("bills", 3, "kind")


def test_include_without_a_prefix_changes_nothing() -> None:
    """The very same pattern."""
    inner, outer, pattern = Router(), Router(), re.compile("views")

    @inner.handler(pattern)
    async def handle(value: bytes) -> None: ...

    outer.include(inner)

    assert (pattern,) == outer.routes[0].sources


@pytest.mark.parametrize("pattern", [r"(?i)views", r"(?x) views # all of them"])
def test_include_refuses_a_pattern_that_cannot_take_a_prefix(pattern: str) -> None:
    """Flags inside a pattern must stand at its start; the error says what to write instead."""
    inner = Router()

    @inner.handler(re.compile(pattern))
    async def handle(value: bytes) -> None: ...

    with pytest.raises(RouteError, match=r"cannot take the prefix 'eu.'.*give flags to re.compile"):
        Router().include(inner, prefix="eu.")


def test_include_refuses_a_clash_and_a_prefix_that_makes_no_topic() -> None:
    """The same rules as for a handler that is declared here."""
    inner, outer = Router(), Router()

    @inner.handler("orders")
    @outer.handler("orders")
    async def handle(value: bytes) -> None: ...

    with pytest.raises(RouteError, match="have a handler in this group already"):
        outer.include(inner)
    with pytest.raises(RouteError, match=r"'e u.orders' is no topic name"):
        outer.include(inner, prefix="e u.")


def test_a_lifespan_belongs_to_the_routes_of_its_router() -> None:
    """An included router keeps its own; one without takes the outer."""
    outer, own, plain = Router(), Router(), Router()

    @outer.lifespan
    async def first(bus: EventBus) -> AsyncIterator[int]:
        yield 1

    @own.lifespan
    async def second(bus: EventBus) -> AsyncIterator[int]:
        yield 2

    async def handle(value: bytes, context: Context[int]) -> None: ...

    for topic, router in (("a", outer), ("b", own), ("c", plain)):
        router.handler(topic)(handle)
    outer.include(own)
    outer.include(plain)

    assert [first, second, first] == [each.lifespan for each in outer.routes]


def test_refuses_a_second_lifespan() -> None:
    """Two would have no order."""
    router = Router()

    @router.lifespan
    async def first(bus: EventBus) -> AsyncIterator[int]:
        yield 1

    with pytest.raises(RouteError, match="a router has one lifespan"):
        router.lifespan(first)


def test_refuses_a_lifespan_that_yields_nothing() -> None:
    """The error names file and line, at import and not when the first message comes."""

    async def connect(bus: EventBus) -> None: ...

    with pytest.raises(RouteError, match=rf"{HERE}:\d+: a lifespan is an 'async def' that yields"):
        Router().lifespan(connect)  # type: ignore[type-var]


def test_routes_are_themselves() -> None:
    """A route stands for one declaration, however alike two are."""
    router = Router()

    @router.handler("a")
    async def handle(value: bytes) -> None: ...

    (route,) = router.routes
    assert isinstance(route, Route)
    assert route != router.routes[0]


@pytest.mark.parametrize(
    "sources",
    [("orders", "orders.dlq"), (re.compile(r"orders\..*"),), ("orders", re.compile(".*"))],
    ids=["by name", "by a pattern", "by one of them"],
)
def test_refuses_a_dead_letter_topic_that_the_handler_reads(sources: tuple[str, ...]) -> None:
    """A message that fails would come back for ever; the error names function, file and line."""

    async def handle(value: bytes) -> None: ...

    told = rf"handle \({HERE}:\d+\): dead_letter='orders.dlq' is read by it through .* come back for ever"
    with pytest.raises(RouteError, match=told):
        Router().handler(*sources, dead_letter="orders.dlq")(handle)
    with pytest.raises(RouteError, match=told):
        Router(dead_letter="orders.dlq").handler(*sources)(handle)


def test_refuses_a_dead_letter_topic_that_a_prefix_makes_a_source() -> None:
    """Sources get the prefix, what is published to does not."""
    inner = Router()

    @inner.handler("orders", dead_letter="eu.orders")
    async def handle(value: bytes) -> None: ...

    with pytest.raises(RouteError, match=r"dead_letter='eu\.orders' is read by it through 'eu\.orders'"):
        Router().include(inner, prefix="eu.")


def test_a_dead_letter_topic_beside_a_pattern_is_fine() -> None:
    """A pattern matches whole names."""
    router = Router()

    @router.handler(re.compile("orders"), dead_letter="orders.dlq")
    async def handle(value: bytes) -> None: ...

    assert len(router.routes) == 1


def test_options_can_be_changed_after_a_handler_was_decorated() -> None:
    """As a settings file does; another handler is found under what it reads now as before."""
    router = Router()

    @router.handler("orders")
    async def take(order: bytes) -> None: ...

    router.configure({"take": {"group": "nightly"}})

    (route,) = router.routes
    assert (route.settings.group, route.sources) == ("nightly", ("orders",))
    router.handler("orders")(take)
    with pytest.raises(RouteError, match="have a handler in this group already"):
        router.configure({"take": {"group": "nightly"}})
    assert len(router.routes) == 2


def test_listeners_to_backlogs_go_with_the_routes_of_their_router() -> None:
    """Those of a router that is included, and of the one that includes it; a function stays what it was."""
    inner, outer = Router(), Router()

    @inner.on_backlog
    def first(backlog: Backlog) -> None:
        """Note it."""

    async def handle(value: bytes) -> None:
        """Take it."""

    inner.handler("orders")(handle)
    outer.handler("bills")(handle)
    outer.include(inner)
    second = outer.on_backlog(print)

    listeners = {route.sources[0]: route.on_backlog for route in outer.routes}
    assert listeners == {"bills": (print,), "orders": (first, print)}
    assert second is print
    with pytest.raises(RouteError, match="without brackets"):
        outer.on_backlog(None)  # type: ignore[type-var]
