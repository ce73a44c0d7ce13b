"""The engine in 300 worlds of faults, and what makes a simulation worth believing: it replays."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from tests.simulation.scenarios import scenario
from tests.simulation.sweep import ALL_SIGHTS, sweep

from partita.testing import FAULTS, simulate

ROOT = Path(__file__).parents[2]
DIGEST = """
from tests.simulation.test_simulation import digest
print(*[digest(seed) for seed in range(10)])
"""


def digest(seed: int) -> str:
    """A number for all that happened in the run of a seed."""
    router, messages = scenario(seed)
    run = simulate(router, messages, seed=seed)
    return sha256("\n".join(map(str, run.events)).encode()).hexdigest()


def test_every_promise_holds_in_300_worlds_of_faults() -> None:
    """Nothing is lost or out of order, commits are exact, ends are clean; all faults and outcomes occur."""
    found = sweep(range(300))
    print(found)

    assert found.failures == []
    assert found.fewest >= 5
    assert set(found.kinds) == set(FAULTS)
    assert set(found.sights) == ALL_SIGHTS


def test_a_seed_replays_its_run_event_by_event() -> None:
    """In this process and in others, whatever the hashes of strings are there."""
    here = [digest(seed) for seed in range(10)]
    again = [digest(seed) for seed in range(10)]

    elsewhere = [
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "PYTHONHASHSEED": hashes},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for hashes in ("1", "2")
    ]

    assert len(set(here)) == 10
    assert [again, *elsewhere] == [here, here, here]
