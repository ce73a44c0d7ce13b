"""What all partitions of a process may have in hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partita import FlowLimits, SettingsError
from partita.core.flow import FlowGate
from partita.core.ports import TopicPartition
from partita.core.process_flow import ProcessFlow, in_turn


@pytest.mark.parametrize(
    "name", ["bytes", "unfinished", "partition_bytes", "partition_unfinished", "partition_span"]
)
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), 1.5, True, None, "64"])
def test_a_limit_that_is_no_whole_number_is_refused_by_its_name(name: str, value: object) -> None:
    """Zero lets nothing in, and an infinite one bounds nothing."""
    with pytest.raises(SettingsError, match=rf"FlowLimits\({name}=.*\): give a whole number of 1 or more"):
        FlowLimits(**{name: value})  # type: ignore[arg-type]


def test_a_thousand_partitions_together_close_at_one_limit() -> None:
    """Each of them is far below its own; open again at half of it."""
    process = ProcessFlow(FlowLimits(bytes=1_000_000))
    gates = [FlowGate.of(process.limits, process) for _ in range(1000)]

    for gate in gates:
        gate.take(999)
    assert not process.closed
    for gate in gates:
        gate.take(1)

    assert process.closed
    assert not any(gate.closed for gate in gates)
    for gate in gates[:499]:
        gate.release(1000)
    assert process.closed
    gates[499].release(1000)
    assert not process.closed


def test_a_full_process_starts_nothing_where_something_is_unfinished() -> None:
    """A partition with nothing in hand may start one, so that others cannot stop it for ever."""
    process, told = ProcessFlow(FlowLimits(unfinished=10)), list[bool]()
    busy, idle = (FlowGate.of(process.limits, process) for _ in range(2))
    process.on_room.append(lambda: told.append(process.full))

    assert idle.count(0, 0) == 10
    assert busy.count(9, 9) == 1
    assert busy.count(10, 10) == 0
    assert idle.count(0, 0) == 1
    assert idle.count(1, 1) == 0
    busy.report(5)
    assert process.full
    busy.report(4)

    assert told == [False]
    assert (busy.count(4, 10), idle.count(1, 1)) == (5, 5)


def test_what_a_partition_had_in_hand_leaves_with_it() -> None:
    """Released late, it counts for nobody."""
    process = ProcessFlow()
    gate = FlowGate.of(process.limits, process)
    gate.take(100)
    gate.count(3, 3)

    gate.leave()
    gate.leave()
    gate.release(100)
    gate.count(0, 0)

    assert (process.held, process.unfinished) == (0, 0)


Step = tuple[int, str, int]


STEPS = st.tuples(st.integers(0, 3), st.sampled_from(["take", "count", "leave"]), st.integers(0, 60))


@given(st.lists(STEPS))
def test_the_process_holds_what_its_partitions_hold(steps: list[Step]) -> None:
    """Between half and all of the limit it stays as it was; outside it has no choice."""
    process = ProcessFlow(FlowLimits(bytes=100, unfinished=100))
    gates = [FlowGate.of(process.limits, process) for _ in range(4)]
    held, unfinished = [0] * 4, [0] * 4

    for at, step, number in steps:
        if step == "take":
            gates[at].take(number)
            held[at] += number
        elif step == "count":
            gates[at].count(number, 0)
            unfinished[at] = number
        else:
            gates[at].leave()
            gates[at] = FlowGate.of(process.limits, process)
            held[at] = unfinished[at] = 0
        assert (process.held, process.unfinished) == (sum(held), sum(unfinished))
        assert not process.closed or sum(held) > 50
        assert process.closed or sum(held) < 100
        assert not process.full or sum(unfinished) > 50
        assert process.full or sum(unfinished) < 100


def test_partitions_with_nothing_in_hand_read_in_turn() -> None:
    """One after the other, the next when the one before has nothing in hand again or is gone."""
    a, b, c = (TopicPartition("orders", number) for number in range(3))

    assert in_turn({a: True, b: False, c: False}, None) == b
    assert in_turn({a: True, b: True, c: False}, b) == b
    assert in_turn({a: True, b: False, c: False}, b) == c
    assert in_turn({a: False, b: False, c: False}, c) == a
    assert in_turn({a: True, b: True}, c) is None
    assert in_turn({a: False, b: True}, c) == a
    assert in_turn({}, c) is None
