"""Many seeds in a row, and what they came to."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence

import attrs
from tests.simulation.scenarios import scenario

from partita import Router
from partita.testing import Simulated, simulate


@attrs.define
class Sweep:
    """
    What a number of seeds came to.

    Attributes:
        runs: how many were simulated to their end.
        failures: what each of the others raised.
        kinds: how often each fault took effect.
        sights: in how many runs each thing was seen that a sweep must not miss.
        fewest: faults of the run that had the fewest.
        seconds: of this processor.
    """

    runs: int = 0
    failures: list[str] = attrs.field(factory=list)
    kinds: Counter[str] = attrs.field(factory=Counter)
    sights: Counter[str] = attrs.field(factory=Counter)
    fewest: int = 1000
    seconds: float = 0.0

    def __str__(self) -> str:
        lines = [f"{self.runs} seeds fine, {len(self.failures)} not; {self.seconds:.1f} s of processor time"]
        lines += [f"  {count:7} {name}" for name, count in sorted(self.kinds.items())]
        lines += [f"in runs: {', '.join(f'{name} {n}' for name, n in sorted(self.sights.items()))}"]
        return "\n".join([*lines, *self.failures[:3]])


def sweep(seeds: Iterable[int]) -> Sweep:
    """Simulate each seed's scenario."""
    found = Sweep()
    began = time.process_time()
    for seed in seeds:
        router, messages = scenario(seed)
        try:
            run = simulate(router, messages, seed=seed)
        except AssertionError as error:
            found.failures.append(str(error))
            continue
        found.runs += 1
        found.kinds += run.faults
        found.fewest = min(found.fewest, run.faults.total())
        found.sights.update(_sights(router, run))
    found.seconds = time.process_time() - began
    return found


def _sights(router: Router, run: Simulated) -> Sequence[str]:
    settings = router.routes[0].settings
    seen = {
        f"order {settings.order}": True,
        "retries": any(each.attempt > 1 for each in run.events),
        "dead letters": any(each.what == "buried" for each in run.events),
        "dropped": any(each.what == "dropped" for each in run.events),
        "parked": bool(run.parked),
        "timeouts": any(each.text.startswith("TimeoutError") for each in run.events),
        "results": settings.to is not None and bool(run.published(settings.to)),
        "repeats": run.repeats > 0,
        "clean stops": any(each.what == "stopped" for each in run.events),
        "joins": run.faults["join"] > 0,
        "crashes": run.faults["crash"] > 0,
    }
    return [name for name, there in seen.items() if there]


ALL_SIGHTS = {
    *("order partition", "order key", "order none", "retries", "dead letters", "dropped", "parked"),
    *("timeouts", "results", "repeats", "clean stops", "joins", "crashes"),
}
