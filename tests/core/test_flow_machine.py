"""The flow gate against a model that adds everything up anew."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.machines import play

from partita.core.flow import FlowGate


class FlowMachine(RuleBasedStateMachine):
    """Fetches arrive and are let go in any order; messages are opened and finished, and the span moves."""

    @initialize(limit=st.integers(1, 40), most_open=st.integers(1, 10), most_span=st.integers(1, 20))
    def begin(self, limit: int, most_open: int, most_span: int) -> None:
        """A partition is assigned."""
        self.gate = FlowGate(limit, most_open, most_span)
        self.limit, self.most_open, self.most_span = limit, most_open, most_span
        self.sizes: list[int] = []
        self.closed = self.full = False

    @rule(size=st.integers(0, 60))
    def take(self, size: int) -> None:
        """Bytes arrive, more than there is room for perhaps."""
        self.gate.take(size)
        self.sizes.append(size)
        self.closed = self.closed or sum(self.sizes) >= self.limit

    @precondition(lambda self: self.sizes)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """Some of what arrived is handled."""
        size = self.sizes.pop(data.draw(st.integers(0, len(self.sizes) - 1)))
        self.gate.release(size)
        self.closed = self.closed and sum(self.sizes) > self.limit / 2

    @rule(unfinished=st.integers(0, 12), span=st.integers(0, 24))
    def count(self, unfinished: int, span: int) -> None:
        """Messages were started or finished."""
        room = self.gate.count(unfinished, span)

        reached = unfinished >= self.most_open or span >= self.most_span
        half = unfinished <= self.most_open / 2 and span <= self.most_span / 2
        self.full = reached or (self.full and not half)
        assert room == (0 if self.full else min(self.most_open - unfinished, self.most_span - span))

    @invariant()
    def closes_at_all_of_it_and_opens_at_half(self) -> None:
        """In between it stays as it was."""
        assert (sum(self.sizes), self.closed, self.full) == (self.gate.held, self.gate.closed, self.gate.full)

    def teardown(self) -> None:
        """With nothing left it is open: a gate never stays shut for good."""
        if hasattr(self, "gate"):
            for size in self.sizes:
                self.gate.release(size)
            self.gate.count(0, 0)
            assert (self.gate.held, self.gate.closed, self.gate.full) == (0, False, False)


def test_a_gate_closes_at_its_limits_and_opens_again_at_half_of_them() -> None:
    """Bytes, open messages and span, whatever comes and goes."""
    assert play(FlowMachine, examples=80) >= 80
