"""
Every state machine for longer, at random, with a small example of what fails.

    python -m tests.chaos.machines [--examples 2000] [--steps 60] [--only lanes]
"""

import argparse
import logging
import time

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from tests.actors.test_lanes_machine import LanesMachine
from tests.core.test_flow_machine import FlowMachine
from tests.core.test_leases_machine import LeaseMachine
from tests.core.test_ledger_machine import LedgerMachine
from tests.core.test_offset_map_machine import OffsetMapMachine
from tests.core.test_retries_machine import RetryMachine

MACHINES: dict[str, type[RuleBasedStateMachine]] = {
    "ledger": LedgerMachine,
    "offset_map": OffsetMapMachine,
    "leases": LeaseMachine,
    "retries": RetryMachine,
    "flow": FlowMachine,
    "lanes": LanesMachine,
}


def main() -> None:
    """Run them one after the other; the first that fails ends it with its example."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.machines")
    parser.add_argument("--examples", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--only", choices=sorted(MACHINES))
    given = parser.parse_args()
    logging.disable(logging.ERROR)  # thousands of messages are parked and dropped on purpose
    for name, machine in MACHINES.items():
        if given.only not in (None, name):
            continue
        began = time.monotonic()
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=given.examples,
                stateful_step_count=given.steps,
                deadline=None,
                database=None,
                print_blob=True,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )
        took = time.monotonic() - began
        print(
            f"{name:11}{given.examples:8,} examples of up to {given.steps} steps   {took:6.1f} s", flush=True
        )


if __name__ == "__main__":
    main()
