"""Options of handlers that come from outside their module."""

import pytest

from partita import Batch, Retry, RouteError, Router
from partita.core.settings import RouteSettings


async def charge(order: bytes) -> None: ...


async def store(batch: Batch) -> None: ...


def router_of() -> Router:
    """Two handlers, one of batches."""
    router = Router(concurrency=3)
    router.handler("orders", "refunds", order="key")(charge)
    router.batch_handler("events", size=5, within=0.1)(store)
    return router


def settings_of(router: Router) -> dict[str, RouteSettings]:
    """The settings of each handler."""
    return {each.plan.name: each.settings for each in router.routes}


def test_what_is_said_changes_and_everything_else_stays() -> None:
    """By the name of the function, alone or behind that of its module."""
    router = router_of()
    retry = {"attempts": 2, "give_up_on": [KeyError]}

    router.configure({"charge": {"concurrency": 8, "retry": retry}, f"{__name__}:store": {"timeout": 5}})

    settings = settings_of(router)
    assert (settings["charge"].concurrency, settings["charge"].order) == (8, "key")
    assert settings["charge"].retry == Retry(attempts=2, give_up_on=(KeyError,))
    assert (settings["store"].timeout, settings["store"].concurrency) == (5, 3)
    assert [each.sources for each in router.routes] == [("orders", "refunds"), ("events",)]
    assert router.routes[1].batch is not None


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"chrge": {}}, "no handler 'chrge'; did you mean 'charge'?"),
        ({"charge": {"concurency": 1}}, "did you mean 'concurrency'?"),
        ({"charge": {"concurrency": 0}}, "concurrency=0"),
        ({"charge": {"retry": {"attemps": 1}}}, "retry has no 'attemps'; did you mean 'attempts'?"),
        ({"charge": {"retry": {"attempts": 0}}}, "attempts=0"),
        ({"charge": {"run": "thread"}}, "this is async def"),
        ({"charge": 5}, "its options are a table, not 5"),
        ({"charge": {"dead_letter": "orders"}}, "come back for ever"),
        ({"store": {"rate": 5}}, "for handlers of single messages"),
        ({"chrge": {}, "store": {"kind": "x"}}, "2 settings cannot be used"),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_is_changed(
    said: dict[str, dict[str, object]], told: str
) -> None:
    """As where a function is decorated; all problems at once."""
    router = router_of()
    before = settings_of(router)

    with pytest.raises(RouteError, match=told.replace("?", r"\?")):
        router.configure(said)

    assert settings_of(router) == before


def test_two_functions_of_one_name_are_told_apart_by_their_modules() -> None:
    """The short name of both is refused, with the long ones."""

    async def other(order: bytes) -> None: ...

    other.__qualname__, other.__module__ = "charge", "elsewhere"
    router = router_of()
    router.handler("more")(other)

    with pytest.raises(RouteError, match="2 handlers are called 'charge'; write 'elsewhere:charge' or"):
        router.configure({"charge": {"concurrency": 1}})
    router.configure({"elsewhere:charge": {"concurrency": 1}})

    assert [each.settings.concurrency for each in router.routes] == [3, 3, 1]
