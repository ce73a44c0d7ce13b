"""The ledger in its place: under leases, with commits that are refused or lost, against a model."""

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.machines import play

from partita.core.commits import CommitPlan
from partita.core.finished import Finished
from partita.core.leases import Lease
from partita.core.ledger import Ledger
from partita.core.offset_map import OffsetMap
from partita.core.ports import Commit, TopicPartition

AT = TopicPartition("orders", 0)
NOTHING = Commit(0)


@attrs.define(eq=False)
class Owner:
    """One assignment: its lease and ledger, what it must leave out, and what it has in hand."""

    skipped: Finished
    next: int
    lease: Lease = attrs.field(factory=lambda: Lease(AT))
    ledger: Ledger = attrs.field(factory=Ledger)
    open: list[int] = attrs.field(factory=list)
    handed_out: list[int] = attrs.field(factory=list)

    def commit(self) -> Commit | None:
        """What it would store now."""
        first, position = self.ledger.committable, self.ledger.position
        if first is None or position is None:
            return None
        finished = Finished.all_but(first, position, self.open) | self.skipped
        return Commit(first, OffsetMap(finished).encode(first))


class LedgerMachine(RuleBasedStateMachine):
    """One partition's log with gaps, its owners in turn, and the broker that has their offsets."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[int] = []
        self.handled: set[int] = set()
        self.stored = NOTHING
        self.plan = CommitPlan()
        self.gone: list[Owner] = []
        self.end = 0

    @initialize(first=st.integers(0, 3))
    def begin(self, first: int) -> None:
        """Older messages were deleted, and somebody owns the rest."""
        self.end = first
        self._assign()

    def _assign(self) -> None:
        found = OffsetMap.decode(self.stored.offset, self.stored.metadata)
        assert not found.foreign
        self.plan.forget(AT)
        self.owner = Owner(found.finished, self.stored.offset)

    @rule(gaps=st.lists(st.integers(0, 3), min_size=1, max_size=6))
    def publish(self, gaps: list[int]) -> None:
        """Messages arrive, with offsets between them that hold none."""
        for gap in gaps:
            self.log.append(self.end + gap)
            self.end += gap + 1

    @rule(at_once=st.booleans(), most=st.integers(1, 5))
    def read(self, at_once: bool, most: int) -> None:
        """The next messages are opened, or handled without being entered at all."""
        owner = self.owner
        for offset in [each for each in self.log if each >= owner.next and each not in owner.skipped][:most]:
            assert offset not in self._told(), "what a commit mentions is not handed out again"
            owner.handed_out.append(offset)
            owner.next = offset + 1
            if at_once:
                self.handled.add(offset)
                owner.ledger.read_to(offset + 1)
            else:
                owner.ledger.open(offset)
                owner.open.append(offset)

    def _told(self) -> set[int]:
        above = OffsetMap.decode(self.stored.offset, self.stored.metadata).finished
        return {each for each in self.log if each < self.stored.offset or each in above}

    @rule()
    def read_past_the_last(self) -> None:
        """The end of a fetch is told: behind the last message may be markers."""
        owner = self.owner
        if not any(each >= owner.next and each not in owner.skipped for each in self.log):
            owner.next = max(owner.next, self.end)
            owner.ledger.read_to(self.end)

    @rule(back=st.integers(0, 5))
    def read_to_what_was_read(self, back: int) -> None:
        """A position is told late."""
        if self.owner.handed_out:
            self.owner.ledger.read_to(self.owner.handed_out[-1] + 1 - back)

    @precondition(lambda self: self.owner.open)
    @rule(data=st.data(), twice=st.booleans())
    def finish(self, data: st.DataObject, twice: bool) -> None:
        """Any open message, told twice perhaps."""
        offset = data.draw(st.sampled_from(self.owner.open))
        self.owner.open.remove(offset)
        self.handled.add(offset)
        for _ in range(1 + twice):
            self.owner.ledger.finish(offset)

    @precondition(lambda self: any(each.open for each in self.gone))
    @rule()
    def finish_late(self) -> None:
        """Under a lease that is over: the message was handled, and nothing is known of it."""
        owner = next(each for each in self.gone if each.open)
        self.handled.add(owner.open.pop())
        assert not owner.lease.may_commit

    @rule(fate=st.sampled_from(["stored", "stored", "refused", "lost", "answer lost"]))
    def commit(self, fate: str) -> None:
        """It arrives or not, and the owner hears of it or not."""
        due = self.plan.due({AT: self.owner.commit()})
        if AT not in due:
            return
        if fate in ("stored", "answer lost"):
            assert due[AT].offset >= self.stored.offset, "a commit never moves back"
            self.stored = due[AT]
        self.plan.sent(due, () if fate == "stored" else (AT,))

    @rule(finishing=st.booleans())
    def revoke(self, finishing: bool) -> None:
        """In good order: what is in hand is finished or left, and all that is known is committed."""
        self.owner.lease.drain()
        while finishing and self.owner.open:
            offset = self.owner.open.pop()
            self.handled.add(offset)
            self.owner.ledger.finish(offset)
        self.commit("stored")
        known = set(self.owner.handed_out) - set(self.owner.open)
        assert known <= self._told(), "after a clean leave nothing that was finished repeats"
        self.lose()

    @rule()
    def lose(self) -> None:
        """Somebody else's at once, and ours again later."""
        self.owner.lease.end()
        self.gone.append(self.owner)
        self._assign()

    @invariant()
    def nothing_unhandled_is_committed(self) -> None:
        """Neither below the offset nor in the map, now and in what would be stored next."""
        assert self._told() <= self.handled
        following = self.owner.commit()
        if following is not None:
            assert self.handled >= {each for each in self.log if each < following.offset}

    @invariant()
    def the_ledger_is_exact(self) -> None:
        """The first that is open, and how many."""
        ledger = self.owner.ledger
        assert len(self.owner.open) == ledger.unfinished
        assert (min(self.owner.open) if self.owner.open else ledger.position) == ledger.committable
        assert len(set(self.owner.handed_out)) == len(self.owner.handed_out), "twice under one lease"

    def teardown(self) -> None:
        """The next owner handles all that is left: no message was lost on the way."""
        if hasattr(self, "owner"):
            self.lose()
            self.read(True, len(self.log))
            assert self.handled == set(self.log)


def test_no_message_is_lost_whatever_becomes_of_commits_and_leases() -> None:
    """And nothing that a commit mentions is handed out again."""
    assert play(LedgerMachine, examples=80, steps=40) >= 80
