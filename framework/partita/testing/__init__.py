"""For tests, yours and ours: run a router in this process, with real group semantics and no broker."""

from partita.testing.harness import Harness, Outcome
from partita.testing.loop import SimLoop

__all__ = ["Harness", "Outcome", "SimLoop"]
