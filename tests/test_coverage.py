"""The decisions, the actors and the router are covered branch by branch."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_core_actors_and_router_are_covered_to_the_last_branch(tmp_path: Path) -> None:
    """Their own tests take every branch of core/, actors/ and the router."""
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
        *("tests/core", "tests/actors", "tests/test_router.py", "tests/test_batch.py"),
        # Random walks and the cancellation of every step only repeat what the plain tests reach.
        *("--ignore-glob=*_machine.py", "--ignore=tests/actors/test_cancellation.py"),
        *("--cov=partita.core", "--cov=partita.actors", "--cov=partita.router", "--cov-branch"),
        *("--cov-report=term-missing:skip-covered", "--cov-fail-under=100"),
    ]
    environment = {"COVERAGE_FILE": str(tmp_path / "coverage"), "PATH": "/usr/bin:/bin"}

    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)

    assert done.returncode == 0, done.stdout + done.stderr
