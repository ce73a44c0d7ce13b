"""
Simulate many seeds.

    python -m tests.simulation              2,000 seeds
    python -m tests.simulation 300          the first 300
    python -m tests.simulation 17 18        seed 17 alone
"""

import sys

from tests.simulation.sweep import sweep

SEEDS = 2000


def main(arguments: list[str]) -> int:
    """Simulate, print, and fail when a seed failed."""
    numbers = [int(each) for each in arguments] or [SEEDS]
    found = sweep(range(*numbers))
    print(found)
    return 1 if found.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
