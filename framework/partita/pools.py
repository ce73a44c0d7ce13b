"""Where a route's handler runs when it does not run on the event loop: in threads or in processes."""

from partita.actors.processes import ProcessPool
from partita.actors.threads import ThreadPool
from partita.addresses import address_of, check_address
from partita.core.modes import behind_mode
from partita.router import Route

Pool = ThreadPool | ProcessPool


def pool_of(route: Route) -> Pool | None:
    """
    A new pool for the calls of a route; None when they run on the event loop. Nothing is started.

    Raises:
        RouteError: another process would not find its handler.
    """
    plan, settings = route.plan, route.settings
    behind = behind_mode(settings, route.batch)
    most = max(settings.concurrency, behind.concurrency if behind is not None else 1)
    if route.runs == "thread":
        return ThreadPool(plan.name, most)
    if route.runs == "process":
        address = address_of(plan.function, plan.where)
        check_address(address, plan.function, plan.where)
        given = {"module": address.module, "name": address.name, "results": settings.to is not None}
        return ProcessPool(plan.name, plan.where, most, given, settings.timeout)
    return None
