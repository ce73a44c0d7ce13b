"""How state machines are run: a bounded number of examples in the suite, and the same ones each time."""

from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


def play(machine: type[RuleBasedStateMachine], examples: int, steps: int = 30) -> int:
    """
    Run *machine* as a test of the suite. It fails with the first example that it finds;
    `python -m tests.chaos.machines` runs longer, at random, and makes the example small.

    Args:
        machine: is made anew for each example.
        examples: how many.
        steps: the most rules in one.

    Returns how many examples there were.
    """
    made = list[RuleBasedStateMachine]()

    class Counted(machine):  # type: ignore[misc, valid-type] # its base is not known before
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    run_state_machine_as_test(
        Counted,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=True,
            deadline=None,
            phases=[Phase.generate],
        ),
    )
    return len(made)
