"""The offset map through a life of commits: what a store, a tool or an accident may do to it in between."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.machines import play

from partita.core.finished import Finished
from partita.core.offset_map import LONGEST, OffsetMap

AHEAD = 3_000


class OffsetMapMachine(RuleBasedStateMachine):
    """Offsets are finished in any order, and the text that was stored last is read by everybody."""

    @initialize(base=st.integers(0, 50) | st.integers(2**40, 2**40 + 50))
    def begin(self, base: int) -> None:
        """A commit with nothing to say."""
        self.base, self.finished = base, set[int]()
        self.unclean: int | None = None
        self.attempt: int | None = None
        self._store()

    def _store(self) -> None:
        runs = Finished.of(self.finished)
        self.text = OffsetMap(runs, self.unclean, self._tried).encode(self.base)

    @property
    def _tried(self) -> dict[int, int]:
        return {} if self.attempt is None else {self.base: self.attempt}

    @rule(ahead=st.integers(1, AHEAD))
    def finish_one(self, ahead: int) -> None:
        """A message out of turn."""
        self.finished.add(self.base + ahead)
        self._store()

    @rule(start=st.integers(1, AHEAD), length=st.integers(1, 400), stride=st.integers(1, 7))
    def finish_many(self, start: int, length: int, stride: int) -> None:
        """A slice of them, densely or scattered."""
        first = self.base + start
        self.finished.update(range(first, first + length * stride, stride))
        self._store()

    @rule(start=st.integers(1, 2**30), count=st.integers(1_000, 1_600))
    def finish_too_many(self, start: int, count: int) -> None:
        """So far from each other that not all of them fit."""
        first = self.base + start
        self.finished.update(range(first, first + count * 40_009, 40_009))
        self._store()

    @rule(unclean=st.none() | st.integers(0, 5), attempt=st.none() | st.integers(1, 9))
    def note(self, unclean: int | None, attempt: int | None) -> None:
        """Counters are stored beside."""
        self.unclean, self.attempt = unclean, attempt
        self._store()

    @rule()
    def move_on(self) -> None:
        """The first unfinished message is finished, and all that are finished behind it are passed."""
        self.base += 1
        while self.base in self.finished:
            self.base += 1
        self.finished = {each for each in self.finished if each > self.base}
        self._store()

    @rule(stop=st.integers(0, LONGEST))
    def cut(self, stop: int) -> None:
        """A store keeps the front of it only: that says less, never more."""
        self._says_nothing_wrong(OffsetMap.decode(self.base, self.text[:stop]))

    @rule(at=st.integers(0, LONGEST), length=st.integers(0, 9), text=st.text(max_size=9))
    def damage(self, at: int, length: int, text: str) -> None:
        """Some characters are others."""
        changed = self.text[:at] + text + self.text[at + length :]
        self._says_nothing_wrong(OffsetMap.decode(self.base, changed))

    @rule(by=st.integers(1, 3_000) | st.integers(-50, -1))
    def copy_to_another_offset(self, by: int) -> None:
        """A tool translates the offset of the commit and keeps what stood beside it."""
        found = OffsetMap.decode(self.base + by, self.text)

        assert not found.finished
        assert found.foreign is bool(self.text)

    @rule()
    def restart(self) -> None:
        """The next owner goes on with what it read, and stores that in turn."""
        found = OffsetMap.decode(self.base, self.text)
        again = OffsetMap(found.finished, found.unclean, found.tried).encode(self.base)

        assert OffsetMap.decode(self.base, again) == found, "what was told once can be told again"
        self.finished = {each for each in self.finished if each in found.finished}

    def _says_nothing_wrong(self, found: OffsetMap) -> None:
        assert all(self._all_finished(*run) for run in found.finished.runs())

    def _all_finished(self, start: int, stop: int) -> bool:
        return stop - start <= len(self.finished) and self.finished.issuperset(range(start, stop))

    @invariant()
    def tells_all_up_to_where_it_ends(self) -> None:
        """What fits is told from the front without a gap, and all when all fits; so are the counters."""
        found = OffsetMap.decode(self.base, self.text)

        told = {each for start, stop in found.finished.runs() for each in range(start, stop)}
        assert told == {each for each in self.finished if each < found.finished.end}
        assert told == self.finished or len(self.text) > LONGEST * 3 // 4, "nothing is left out without need"
        assert (found.unclean, found.tried, found.foreign) == (self.unclean, self._tried, False)
        assert len(self.text) <= LONGEST


def test_the_map_never_says_more_than_was_finished() -> None:
    """Round trips, cuts, damage, copies beside other offsets, and more than there is room for."""
    assert play(OffsetMapMachine, examples=30) >= 30
