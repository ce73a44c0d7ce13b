"""The lanes: a real pump and real partitions against a model that only knows the rules."""

from collections import deque

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.actors.calls import DEEDS, FINISHED, LATE, RUNNING, WAITING, Calls, Message, Owned
from tests.actors.stage import KINDS, Stage
from tests.machines import play

from partita.backends.memory.records import MemoryRecord
from partita.core.finished import Finished

PARTITIONS: tuple[int, ...] = (0, 1)
# Most calls should do nothing special, or nothing ever gets far.
SCRIPTS = st.one_of(
    st.just(["waits"]), st.just(["fails", "waits"]), st.lists(st.sampled_from(DEEDS), max_size=4)
)
MESSAGES = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from([b"x", b"y", b"z", None]), st.sampled_from(KINDS), SCRIPTS),
    max_size=6,
)


class LanesMachine(RuleBasedStateMachine):
    """Messages arrive, calls end in any order, partitions drain, go and come back, the pump is restarted."""

    @initialize(
        order=st.sampled_from(["partition", "key", "key", "none"]),
        concurrency=st.integers(1, 4),
        kinds=st.integers(1, 2),
        ending=st.sampled_from(["park", "drop", "bury"]),
        most_open=st.sampled_from([2, 5, 100]),
    )
    def begin(self, order: str, concurrency: int, kinds: int, ending: str, most_open: int) -> None:
        """A member with two partitions."""
        self.kinds = KINDS[:kinds]
        self.calls = Calls(order, concurrency, ending)
        self.stage = Stage(self.calls, kinds, most_open)
        self.log: dict[int, list[Message]] = {each: [] for each in PARTITIONS}
        self.ends = dict.fromkeys(PARTITIONS, 0)
        self.handled: dict[int, set[int]] = {each: set() for each in PARTITIONS}
        self.stored = {each: (0, Finished()) for each in PARTITIONS}
        for number in PARTITIONS:
            self.stage.assign(number, (), 0, Finished())

    @rule(number=st.sampled_from(PARTITIONS), messages=MESSAGES, behind=st.integers(0, 2))
    def feed(
        self,
        number: int,
        messages: list[tuple[int, bytes | None, str, list[str]]],
        behind: int,
    ) -> None:
        """A fetch arrives, with gaps before, between and behind its messages, or with none at all."""
        new = list[Message]()
        for gap, key, kind, deeds in messages:
            offset = self.ends[number] + gap
            self.ends[number] = offset + 1
            name = kind if kind in self.kinds else self.kinds[0]
            record = MemoryRecord("orders", number, offset, 0, key, b"v", [("type", name.encode())])
            new.append(Message(record, deque(deeds)))
        self.log[number] += new
        self.ends[number] += behind
        if number in self.stage.owned and not self.stage.owned[number].stopped:
            self.stage.feed(number, new, self.ends[number])

    @precondition(lambda self: self.calls.running)
    @rule(data=st.data())
    def let(self, data: st.DataObject) -> None:
        """Some of the calls that wait end, in any order."""
        chosen = data.draw(st.lists(st.sampled_from(self.calls.running), min_size=1, unique_by=id))
        self.stage.let(chosen)

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0, 61.0]))
    def pass_time(self, seconds: float) -> None:
        """Messages that wait for their next attempt become due."""
        self.stage.pass_time(seconds)

    @rule(number=st.sampled_from(PARTITIONS))
    def commit(self, number: int) -> None:
        """The committer comes by."""
        if number in self.stage.owned:
            self._commit(number)

    def _commit(self, number: int) -> None:
        partition = self.stage.owned[number].partition
        if partition.committable is not None:
            self.stored[number] = partition.committable, partition.finished_above()

    @rule(number=st.sampled_from(PARTITIONS))
    def stop(self, number: int) -> None:
        """A partition is revoked; its calls go on."""
        if number in self.stage.owned:
            self.stage.stop(number)

    @rule(number=st.sampled_from(PARTITIONS), committing=st.booleans())
    def come_back(self, number: int, committing: bool) -> None:
        """A partition goes, with a last commit or without, and is ours again."""
        if committing:
            self._commit(number)
        self.stage.lose(number)
        self._assign(number)

    def _assign(self, number: int) -> None:
        self.stage.assign(number, self.log[number], *self.stored[number])
        self.stage.feed(number, (), self.ends[number])

    @rule()
    def restart_the_pump(self) -> None:
        """It goes on with what the partitions hold."""
        self.stage.stop_pump()
        self.stage.start_pump()

    @invariant()
    def no_rule_was_broken(self) -> None:
        """Order, concurrency, attempts and stops, as the handlers saw them."""
        assert not self.calls.wrongs

    @invariant()
    def commits_the_first_unfinished_and_knows_what_is_finished_above(self) -> None:
        """Exactly what the handlers finished under this lease, or a former owner did."""
        for number, owned in self.stage.owned.items():
            self.handled[number] |= owned.finished
            committable = owned.partition.committable
            above = owned.partition.finished_above()
            offsets = [each.record.offset for each in owned.fed]
            if committable is not None:
                left = [each for each in offsets if each >= committable and each not in owned.skipped]
                assert next(iter(left), owned.end) == owned.first_unfinished
                assert committable <= owned.end
            told = {each for each in offsets if each < (committable or 0) or each in above}
            assert told == owned.finished
            assert told <= self.handled[number]

    @invariant()
    def whoever_may_run_runs(self) -> None:
        """A message that is due and blocked by nothing waits only for calls that are all in use."""
        for owned in self.stage.owned.values():
            for message in owned.fed if not owned.stopped else ():
                spare = self.calls.in_flight(message.kind) < self.calls.concurrency
                if spare and self._ready(owned, message):
                    raise AssertionError(f"{message} is forgotten")

    def _ready(self, owned: Owned, message: Message) -> bool:
        if message.state != WAITING or message.due > self.stage.now:
            return False
        if not message.started and owned.partition.gate.full:
            return False  # it was not read perhaps; that a gate opens in time is tested below
        return not owned.blocked(message, self.calls.order)

    @invariant()
    def a_partition_is_held_up_only_while_much_is_unfinished(self) -> None:
        """It starts no more than it may, and goes on at half of that."""
        for owned in self.stage.owned.values():
            gate, most = owned.partition.gate, self.stage.most_open
            begun = [each for each in owned.fed if each.started and each.state in (WAITING, RUNNING)]
            assert len(begun) <= most
            span = owned.end - owned.first_unfinished
            unread = [each for each in owned.fed if each.state != FINISHED]
            assert not gate.full or len(unread) * 2 > most or span * 2 > 4 * most

    @invariant()
    def bytes_are_given_back_once(self) -> None:
        """What is held is not less than what is open, and nothing when nothing is left."""
        for owned in self.stage.owned.values():
            left = [each for each in owned.fed if each.state != FINISHED]
            begun = [each for each in left if each.started]
            assert len(begun) <= owned.partition.gate.held
            assert left or owned.stopped or self.calls.running or not owned.partition.gate.held

    @invariant()
    def a_stopped_partition_is_drained_when_its_calls_have_ended(self) -> None:
        """Neither earlier nor later; when the pump failed in between, its owner's deadline ends the wait."""
        for owned in self.stage.owned.values():
            drained = owned.partition.drained.is_set()
            assert not (drained and (owned.running or not owned.stopped))
            assert drained or owned.running or owned.interrupted or not owned.stopped

    @invariant()
    def what_ends_after_a_lease_moves_nothing(self) -> None:
        """No offset stands elsewhere than at the end of its lease, and nothing late is counted."""
        for owned, committable in self.stage.gone:
            assert committable == owned.partition.committable
            assert owned.partition.handled + owned.partition.failed <= owned.count
        late = [each for owned, _ in self.stage.gone for each in owned.fed if each.state == LATE]
        assert len(late) == self.stage.came_late

    def teardown(self) -> None:
        """All goes well from now on: every message is handled, and no task is left."""
        if not hasattr(self, "stage"):
            return
        self.calls.healed = True
        for number in PARTITIONS:
            if self.stage.owned[number].stopped:
                self.stage.lose(number)
                self._assign(number)
        for _ in range(200):
            if not self.calls.running:
                break
            self.stage.let(self.calls.running)
        for _ in range(10):
            self.stage.pass_time(61.0)
            self.stage.let(self.calls.running)
        for number, owned in self.stage.owned.items():
            assert not owned.partition.open
            counted = owned.partition.handled + owned.partition.failed
            # A pump that fails in mid-slice forgets how many it has handled there, though not which.
            assert counted == owned.count or (owned.interrupted and counted < owned.count)
            assert self.ends[number] == owned.end == (owned.partition.committable or 0)
            handled = self.handled[number] | owned.finished
            assert handled == {each.record.offset for each in self.log[number]}
        self.stage.close()
        assert not self.calls.wrongs


def test_the_lanes_keep_every_rule() -> None:
    """Order per key, concurrency, exact commits, nothing forgotten, whatever happens in between."""
    assert play(LanesMachine, examples=150, steps=40) >= 150
