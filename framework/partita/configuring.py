"""Options of handlers that come from outside their module: from a settings file, or from a program."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from partita.core.batches import no_batch_options
from partita.core.client_options import listed
from partita.core.errors import PartitaError, RouteError
from partita.core.retries import Retry
from partita.core.settings import check_option_names, nearest, route_settings
from partita.handlers import check_run

if TYPE_CHECKING:
    from partita.router import Route

Said = Mapping[str, Mapping[str, object]]


def configure_routes(routes: "Sequence[Route]", said: Said) -> "Sequence[Route]":
    """
    The routes with what is *said* of their handlers.

    Args:
        routes: as they were declared.
        said: options by handler: its name, or "module:name" where several modules have one of that name.

    Raises:
        RouteError: there is no such handler, or its options cannot be used; all problems are told.
    """
    made, problems = list(routes), list[str]()
    for name, options in said.items():
        try:
            chosen = _chosen(name, routes)
            for index in chosen:
                made[index] = _with(made[index], options)
        except PartitaError as error:
            problems.append(str(error))
    if problems:
        raise RouteError(listed(problems))
    return made


def _chosen(name: str, routes: "Sequence[Route]") -> Sequence[int]:
    """Which routes are meant; several of one function all are. Raises RouteError."""
    found = [index for index, each in enumerate(routes) if name in _names(each)]
    if not found:
        raise RouteError(
            f"there is no handler {name!r}; {nearest(name, {_names(each)[1] for each in routes})}"
        )
    long = sorted({_long(routes[index]) for index in found})
    if len(long) > 1:
        raise RouteError(f"{len(long)} handlers are called {name!r}; write {' or '.join(map(repr, long))}")
    return found


def _short(route: "Route") -> str:
    return route.plan.name


def _names(route: "Route") -> Sequence[str]:
    """What a route may be called: of a function inside another the last part is enough."""
    return _short(route), _short(route).rpartition(".")[2], _long(route)


def _long(route: "Route") -> str:
    return f"{getattr(route.plan.function, '__module__', '')}:{route.plan.name}"


def _with(route: "Route", options: object) -> "Route":
    where = route.plan.where
    if not isinstance(options, Mapping):
        raise RouteError(f"{where}: its options are a table, not {options!r}")
    check_option_names(options, where)
    if route.batch is not None and (problem := no_batch_options(options)):
        raise RouteError(f"{where}: {problem}")
    given = {name: _retry(value, where) if name == "retry" else value for name, value in options.items()}
    settings = route_settings(attrs.asdict(route.settings, recurse=False), given, where)
    check_run(route.plan, settings.run)
    return attrs.evolve(route, settings=settings)


def _retry(value: object, where: str) -> object:
    """A retry that was written as a table."""
    if not isinstance(value, Mapping):
        return value
    known = attrs.fields_dict(Retry)
    for name in value:
        if name not in known:
            raise RouteError(f"{where}: retry has no {name!r}; {nearest(str(name), known)}")
    tuples = {name: tuple(each) if isinstance(each, list) else each for name, each in value.items()}
    return Retry(**tuples)  # type: ignore[arg-type] # it checks them itself
