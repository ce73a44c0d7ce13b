"""Where a route's handler runs when it does not run on the event loop: in threads or in processes."""

from partita.actors.processes import ProcessPool
from partita.actors.threads import ThreadPool
from partita.addresses import address_of, check_address
from partita.router import Route

Pool = ThreadPool | ProcessPool


def pool_of(route: Route) -> Pool | None:
    """
    A new pool for the calls of a route; None when they run on the event loop. Nothing is started.

    Raises:
        RouteError: another process would not find its handler.
    """
    plan, settings = route.plan, route.settings
    if route.runs == "thread":
        return ThreadPool(plan.name, settings.concurrency)
    if route.runs == "process":
        address = address_of(plan.function, plan.where)
        check_address(address, plan.function, plan.where)
        given = {"module": address.module, "name": address.name, "results": settings.to is not None}
        return ProcessPool(plan.name, plan.where, settings.concurrency, given, settings.timeout)
    return None
