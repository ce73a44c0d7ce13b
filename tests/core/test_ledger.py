"""The ledger against a model that keeps everything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from partita.core.ledger import Ledger


def test_nothing_read_is_nothing_to_commit() -> None:
    """A partition that was only assigned has no offset of its own."""
    assert Ledger().committable is None


def test_commits_the_first_unfinished_offset() -> None:
    """What finished above an open message waits for it."""
    ledger = Ledger()
    for offset in (3, 4, 7):
        ledger.open(offset)

    ledger.finish(7)
    ledger.finish(4)

    assert ledger.committable == 3
    assert ledger.unfinished == 1


def test_commits_the_position_when_nothing_is_open() -> None:
    """Gaps at the end, such as a transaction marker, are read past."""
    ledger = Ledger()
    ledger.open(3)
    ledger.finish(3)

    ledger.read_to(9)

    assert ledger.committable == 9


def test_reading_never_moves_back() -> None:
    """A position that is told late changes nothing."""
    ledger = Ledger(position=9)

    ledger.read_to(4)

    assert ledger.committable == 9


def test_refuses_an_offset_it_has_passed() -> None:
    """A message that comes twice under one lease is a fault of the backend."""
    ledger = Ledger(position=9)

    with pytest.raises(ValueError, match="offset 8 is below the position 9"):
        ledger.open(8)


@given(st.integers(0, 5))
def test_a_second_completion_counts_for_nothing(offset: int) -> None:
    """A late or doubled completion must not make the open messages fewer than they are."""
    ledger = Ledger()
    for each in range(6):
        ledger.open(each)

    for _ in range(2):
        ledger.finish(offset)

    assert ledger.unfinished == 5
    assert (1 if offset == 0 else 0) == ledger.committable


class LedgerAgainstModel(RuleBasedStateMachine):
    """Open and finish in any order; the model looks at every offset there ever was."""

    opened = Bundle("opened")

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.position: int | None = None
        self.unfinished: set[int] = set()
        self.last = -1

    @rule(target=opened, gap=st.integers(0, 3))
    def open(self, gap: int) -> int:
        """The next message arrives, with or without a gap before it."""
        offset = (self.position or 0) + gap
        self.ledger.open(offset)
        self.unfinished.add(offset)
        self.position = offset + 1
        return offset

    @rule(offset=consumes(opened))
    def finish(self, offset: int) -> None:
        """Any open message is finished."""
        self.ledger.finish(offset)
        self.unfinished.discard(offset)

    @rule(position=st.integers(0, 30))
    def read_to(self, position: int) -> None:
        """The end of a fetch is told, early or late."""
        self.ledger.read_to(position)
        self.position = max(position, self.position or 0)

    @invariant()
    def commits_the_first_unfinished_else_the_position(self) -> None:
        """The one rule that keeps every message."""
        expected = min(self.unfinished) if self.unfinished else self.position
        assert expected == self.ledger.committable
        assert len(self.unfinished) == self.ledger.unfinished

    @invariant()
    def never_moves_back(self) -> None:
        """A committable offset only grows."""
        now = self.ledger.committable
        assert now is None or now >= self.last
        self.last = self.last if now is None else now


test_ledger_against_model = LedgerAgainstModel.TestCase
