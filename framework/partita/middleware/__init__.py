"""Middlewares: what stands between a route and its handler, `async (message, call_next) -> result`."""

from partita.actors.holds import Postponed
from partita.middleware.circuit_breaker import CircuitBreaker
from partita.middleware.compose import CallNext, Middleware, RouteMiddleware, hold
from partita.middleware.deduplicate import Deduplicate, SeenInMemory, SeenStore
from partita.middleware.duplicate import duplicate
from partita.middleware.fail_at_random import FailAtRandom, RandomFailure

__all__ = [
    "CallNext",
    "CircuitBreaker",
    "Deduplicate",
    "FailAtRandom",
    "Middleware",
    "Postponed",
    "RandomFailure",
    "RouteMiddleware",
    "SeenInMemory",
    "SeenStore",
    "duplicate",
    "hold",
]
