"""The flow gate: closed at its limit, open again at half of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partita import SettingsError
from partita.core.flow import FlowGate


def test_closes_at_its_limit_and_opens_at_half_of_it() -> None:
    """The gap keeps a fast partition from opening for one message at a time."""
    gate = FlowGate(100)

    gate.take(99)
    assert not gate.closed
    gate.take(1)
    assert gate.closed
    gate.release(49)
    assert gate.closed
    gate.release(1)

    assert not gate.closed


def test_one_fetch_above_the_limit_goes_in_whole() -> None:
    """A message larger than the gate must not stop its partition for ever."""
    gate = FlowGate(1)

    gate.take(1000)

    assert gate.closed
    gate.release(1000)

    assert not gate.closed


@pytest.mark.parametrize("limit", [0, -1])
def test_refuses_a_limit_that_lets_nothing_in(limit: int) -> None:
    """The error says what can be used."""
    with pytest.raises(SettingsError, match="give 1 or more"):
        FlowGate(limit)


@given(st.integers(1, 100), st.lists(st.integers(0, 60)))
def test_never_closed_when_little_is_held_nor_open_when_much_is(limit: int, sizes: list[int]) -> None:
    """Between half and all of the limit the gate stays as it was; outside it has no choice."""
    gate, held = FlowGate(limit), list[int]()

    for size in sizes:
        if gate.closed:
            gate.release(held.pop(0))
        else:
            held.append(size)
            gate.take(size)
        total = sum(held)
        assert total == gate.held
        assert gate.closed or total < limit
        assert not gate.closed or total * 2 > limit
