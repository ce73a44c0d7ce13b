"""For tests, yours and ours: run a router in this process, with real group semantics and no broker."""

from partita.testing.events import Event
from partita.testing.faults import FAULTS
from partita.testing.harness import Harness, Outcome
from partita.testing.loop import SimLoop
from partita.testing.simulation import Simulated, simulate

__all__ = ["FAULTS", "Event", "Harness", "Outcome", "SimLoop", "Simulated", "simulate"]
