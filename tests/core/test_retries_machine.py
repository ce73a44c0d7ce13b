"""Retries against a model that writes down every attempt of every message."""

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from tests.machines import play

from partita import DecodeError, Retry, Unroutable
from partita.core.retries import LONGEST_WAIT, TryAgain, after_failure

WORTH_IT = [OSError("away"), TimeoutError("late"), ExceptionGroup("both", [OSError("a"), TimeoutError("b")])]
NOT_WORTH_IT = [
    *(ConnectionError("refused"), ValueError("no"), SystemExit(1), DecodeError("no"), Unroutable("t", "k")),
    ExceptionGroup("one of them", [OSError("away"), ValueError("no")]),
]


@attrs.define(eq=False)
class Attempts:
    """What became of one message."""

    failures: int = 0
    clock: float = 0.0
    given_up: bool = False


class RetryMachine(RuleBasedStateMachine):
    """Messages fail in turn, of whatever there is, and the clock is a sum of waits."""

    messages = Bundle("messages")

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Attempts] = []

    @initialize(
        attempts=st.integers(1, 9), backoff=st.sampled_from([0.0, 0.2, 7.0, 30.0]), jitter=st.floats(0, 1)
    )
    def begin(self, attempts: int, backoff: float, jitter: float) -> None:
        """A route with a policy of its own."""
        self.retry = Retry(
            attempts, backoff, jitter, retry_on=(OSError, TimeoutError), give_up_on=(ConnectionError,)
        )

    @rule(target=messages)
    def arrive(self) -> Attempts:
        """A message's first attempt."""
        self.all.append(Attempts())
        return self.all[-1]

    @rule(message=messages, error=st.sampled_from(WORTH_IT), chance=st.floats(0, 1))
    def fail(self, message: Attempts, error: BaseException, chance: float) -> None:
        """An error that may pass."""
        if message.given_up:
            return
        message.failures += 1

        decision = after_failure(self.retry, message.failures, error, chance)

        if not isinstance(decision, TryAgain):
            assert message.failures == self.retry.attempts, "no attempt was saved"
            message.given_up = True
            return
        plain = min(self.retry.backoff * 2 ** (message.failures - 1), LONGEST_WAIT)
        assert plain * (1 - self.retry.jitter) - 1e-9 <= decision.wait
        assert decision.wait <= plain * (1 + self.retry.jitter) + 1e-9
        message.clock += decision.wait

    @rule(message=messages, error=st.sampled_from(NOT_WORTH_IT), chance=st.floats(0, 1))
    def fail_for_good(self, message: Attempts, error: BaseException, chance: float) -> None:
        """An error that will not pass: no attempt is wasted on it, whichever attempt it is."""
        if message.given_up:
            return
        message.failures += 1

        decision = after_failure(self.retry, message.failures, error, chance)

        assert not isinstance(decision, TryAgain)
        message.given_up = True

    @invariant()
    def nobody_gets_more_attempts_than_there_are(self) -> None:
        """And all of a message's waits together are bounded, so that it is given up some day."""
        for message in self.all:
            assert message.failures <= self.retry.attempts
            assert message.given_up or message.failures < self.retry.attempts
            assert message.clock <= message.failures * LONGEST_WAIT * (1 + self.retry.jitter) + 1e-6


def test_every_message_gets_its_attempts_and_no_more() -> None:
    """Whatever it fails of, and whatever chance says about the waits."""
    assert play(RetryMachine, examples=60) >= 60
