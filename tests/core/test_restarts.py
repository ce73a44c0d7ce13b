"""What a supervisor decides, by example and against its promises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from partita import RestartLimitReached
from partita.core.restarts import (
    Escalate,
    FailureKind,
    Restart,
    RestartPolicy,
    Strategy,
    Supervision,
    judge_outside,
)

CRASH, TRANSPORT, PROTOCOL = FailureKind.CRASH, FailureKind.TRANSPORT, FailureKind.PROTOCOL


def supervision_of(*names: str, strategy: Strategy = Strategy.ONE_FOR_ONE) -> Supervision:
    """A supervision of children with *names*, three restarts within five seconds, no jitter."""
    policy = RestartPolicy(3, period=5.0, backoff=1.0, backoff_max=3.0, outage_max=3.0, jitter=0.0)
    made = Supervision(strategy, policy)
    for name in names:
        made.add(name)
    return made


class Client:
    """A client in whose opinion a ConnectionError means that nobody is there, and a LookupError passes."""

    def is_retriable(self, error: BaseException) -> bool:
        """Whether it passes by itself."""
        return isinstance(error, LookupError)

    def is_unreachable(self, error: BaseException) -> bool:
        """Whether no connection could be made."""
        return isinstance(error, ConnectionError)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), TRANSPORT),
        (LookupError(), TRANSPORT),
        (ConnectionError(), TRANSPORT),
        (ValueError(), CRASH),
    ],
)
def test_an_error_from_outside_is_waited_for_and_any_other_is_a_crash(
    error: Exception, kind: FailureKind
) -> None:
    """What passes in the client's opinion, what nobody answers, and what took too long."""
    assert judge_outside(Client(), error) is kind


def test_a_crashed_child_starts_again_alone() -> None:
    """One for one: the others do not notice."""
    supervision = supervision_of("a", "b", "c")

    decision = supervision.failed("b", 0.0, 0.5, CRASH)

    assert Restart(stop=(), start=("b",), delay=1.0) == decision


def test_those_started_after_it_restart_with_a_crashed_child() -> None:
    """Rest for one: they build on it, so they stop in reverse and start in order."""
    supervision = supervision_of("a", "b", "c", "d", strategy=Strategy.REST_FOR_ONE)

    decision = supervision.failed("b", 0.0, 0.5, CRASH)

    assert Restart(stop=("d", "c"), start=("b", "c", "d"), delay=1.0) == decision


def test_gives_up_when_crashes_crowd() -> None:
    """The fourth crash within the period is one too many."""
    supervision = supervision_of("a")
    for now in (0.0, 1.0, 2.0):
        assert isinstance(supervision.failed("a", now, 0.5, CRASH), Restart)

    decision = supervision.failed("a", 3.0, 0.5, CRASH)

    assert isinstance(decision, Escalate)
    assert isinstance(decision.limit, RestartLimitReached)
    assert (decision.limit.child, decision.limit.failures, decision.limit.period) == ("a", 4, 5.0)


def test_forgives_crashes_that_are_far_apart() -> None:
    """A child that fails once an hour must never add up to a dead worker."""
    supervision = supervision_of("a")

    decisions = [supervision.failed("a", hour * 3600.0, 0.5, CRASH) for hour in range(100)]

    assert [Restart(stop=(), start=("a",), delay=1.0)] * 100 == decisions


@pytest.mark.parametrize("kind", [TRANSPORT, FailureKind.REFUSED])
def test_an_outage_is_waited_out_however_long_it_lasts(kind: FailureKind) -> None:
    """A broker that is away for days is no reason to die, nor one that refuses what it permitted before."""
    supervision = supervision_of("a")

    decisions = [supervision.failed("a", second * 1.0, 0.5, kind) for second in range(2000)]

    assert all(isinstance(each, Restart) for each in decisions)
    assert [each.delay for each in decisions[:4] if isinstance(each, Restart)] == [1.0, 2.0, 3.0, 3.0]


def test_what_comes_back_is_used_within_seconds() -> None:
    """The waits for the outside world end at five seconds, those after crashes at thirty."""
    outages, crashes = Supervision(), Supervision(policy=RestartPolicy(max_restarts=100))
    for each in (outages, crashes):
        each.add("a")

    last = [outages.failed("a", float(second), 0.5, TRANSPORT) for second in range(20)][-1]
    crash = [crashes.failed("a", float(second), 0.5, CRASH) for second in range(20)][-1]

    assert Restart(stop=(), start=("a",), delay=5.0) == last
    assert Restart(stop=(), start=("a",), delay=30.0) == crash


def test_an_outage_after_a_quiet_time_starts_with_short_waits_again() -> None:
    """Yesterday's outage must not slow down today's restart."""
    supervision = supervision_of("a")
    for now in (0.0, 1.0, 2.0):
        supervision.failed("a", now, 0.5, TRANSPORT)

    decision = supervision.failed("a", 100.0, 0.5, TRANSPORT)

    assert Restart(stop=(), start=("a",), delay=1.0) == decision


def test_what_no_restart_can_help_goes_up_at_once() -> None:
    """A missing topic is still missing a second later."""
    supervision = supervision_of("a")

    assert Escalate(limit=None) == supervision.failed("a", 0.0, 0.5, PROTOCOL)


def test_children_stop_in_reverse_order() -> None:
    """The last started first."""
    supervision = supervision_of("a", "b", "c")

    assert supervision.children == ("a", "b", "c")
    assert supervision.stop_order == ("c", "b", "a")


def test_a_name_is_taken_once() -> None:
    """Two children of one name could not be told apart."""
    supervision = supervision_of("a")

    with pytest.raises(ValueError, match="a child named 'a' already"):
        supervision.add("a")


def test_a_removed_child_leaves_nothing_behind() -> None:
    """A child of the same name starts with a clean history."""
    supervision = supervision_of("a")
    for _ in range(3):
        supervision.failed("a", 0.0, 0.5, CRASH)
    supervision.remove("a")
    supervision.remove("never there")

    supervision.add("a")

    assert isinstance(supervision.failed("a", 0.0, 0.5, CRASH), Restart)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 200))
def test_every_wait_is_within_its_jitter(chance: float, jitter: float, failures: int) -> None:
    """However often it failed, a wait is a number that a clock can take."""
    policy = RestartPolicy(max_restarts=1000, period=1e9, jitter=jitter)
    supervision = Supervision(policy=policy)
    supervision.add("a")

    delays = [supervision.failed("a", 0.0, chance, CRASH) for _ in range(failures)]

    last = delays[-1]
    assert isinstance(last, Restart)
    plain = min(0.5 * 2.0 ** (failures - 1), 30.0)
    assert abs(last.delay - plain) <= plain * jitter + 1e-9


class SupervisionPromises(RuleBasedStateMachine):
    """Children fail at any time in any way; what was promised holds after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.supervision = supervision_of("a", "b", "c", strategy=Strategy.REST_FOR_ONE)
        self.order = ["a", "b", "c"]
        self.now = 0.0
        self.crashes: dict[str, list[float]] = {"a": [], "b": [], "c": []}
        self.given_up = False

    @rule(seconds=st.floats(0, 6))
    def pass_time(self, seconds: float) -> None:
        """The clock moves."""
        self.now += seconds

    @precondition(lambda self: not self.given_up)
    @rule(number=st.integers(0, 2))
    def crash(self, number: int) -> None:
        """Never are more than three crashes within five seconds forgiven, and never fewer."""
        name = self.order[number]
        self.crashes[name].append(self.now)
        counting = [each for each in self.crashes[name] if each > self.now - 5.0]

        decision = self.supervision.failed(name, self.now, 0.5, CRASH)

        assert isinstance(decision, Escalate) == (len(counting) > 3)
        self.given_up = isinstance(decision, Escalate)
        if isinstance(decision, Restart):
            self.check_order(number, decision)

    @precondition(lambda self: not self.given_up)
    @rule(number=st.integers(0, 2))
    def lose_the_broker(self, number: int) -> None:
        """An outage never escalates."""
        decision = self.supervision.failed(self.order[number], self.now, 0.5, TRANSPORT)

        assert isinstance(decision, Restart)
        assert 1.0 <= decision.delay <= 3.0
        self.check_order(number, decision)

    @rule()
    def replace_the_first(self) -> None:
        """A child that ended and comes back is started after all others."""
        name = self.order.pop(0)
        self.order.append(name)
        self.supervision.remove(name)
        self.supervision.add(name)
        self.crashes[name].clear()

        assert self.order == list(self.supervision.children)

    def check_order(self, number: int, decision: Restart) -> None:
        """Start in order from the failed one on; stop what came after it in reverse."""
        assert self.order[number:] == list(decision.start)
        assert list(reversed(self.order[number + 1 :])) == list(decision.stop)


test_supervision_promises = SupervisionPromises.TestCase
