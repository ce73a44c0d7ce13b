"""For tests, yours and ours: run a router in this process, with real group semantics and no broker."""

from partita.testing.harness import Harness, Outcome

__all__ = ["Harness", "Outcome"]
