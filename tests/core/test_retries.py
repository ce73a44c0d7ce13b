"""Whether a failed message is tried again, and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partita import DecodeError, Retry, SettingsError, Unroutable
from partita.core.retries import LONGEST_WAIT, Exhausted, TryAgain, after_failure


def test_waits_double_until_the_attempts_are_used_up() -> None:
    """Five attempts in all have four waits between them."""
    retry = Retry(attempts=5, backoff=0.2, jitter=0.2)

    waits = [retry.wait(attempt, chance=0.5) for attempt in range(1, 6)]

    assert waits == [0.2, 0.4, 0.8, 1.6, None]


@given(st.integers(1, 200), st.floats(0, LONGEST_WAIT))
def test_the_longest_retry_is_all_waits_together(attempts: int, backoff: float) -> None:
    """Without jitter, and however many there are."""
    retry = Retry(attempts=attempts, backoff=backoff)

    waits = sum(retry.wait(attempt, chance=0.5) or 0.0 for attempt in range(1, attempts))

    assert retry.longest == pytest.approx(waits)


def test_a_retry_without_end_in_sight_is_added_up_at_once() -> None:
    """A billion attempts are four waits that double up to the longest, and the rest of the longest."""
    retry = Retry(attempts=10**9, backoff=2.0)

    longest = retry.longest

    assert longest == 2.0 + 4.0 + 8.0 + 16.0 + (10**9 - 5) * LONGEST_WAIT


def test_one_attempt_means_none_after_it() -> None:
    """The first attempt is counted."""
    assert Retry(attempts=1).wait(1, chance=0.5) is None


def test_no_wait_is_longer_than_the_longest() -> None:
    """A message that failed for hours is not forgotten for days."""
    assert Retry(attempts=10_000).wait(9_999, chance=0.5) == LONGEST_WAIT


@given(
    st.builds(
        Retry,
        attempts=st.integers(1, 5000),
        backoff=st.floats(0, LONGEST_WAIT),
        jitter=st.floats(0, 1),
    ),
    st.integers(1, 6000),
    st.floats(0, 1),
)
def test_every_wait_is_within_its_jitter(retry: Retry, attempt: int, chance: float) -> None:
    """Whatever is legal to ask for gives a wait that a clock can take, or the end."""
    wait, plain = retry.wait(attempt, chance), retry.wait(attempt, 0.5)

    if wait is None or plain is None:
        assert attempt >= retry.attempts
    else:
        assert attempt < retry.attempts
        assert 0 <= plain <= LONGEST_WAIT
        assert abs(wait - plain) <= plain * retry.jitter + 1e-9


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("attempts", 0),
        ("attempts", -3),
        ("backoff", -0.1),
        ("backoff", 31.0),
        ("backoff", float("nan")),
        ("backoff", float("inf")),
        ("backoff", "1"),
        ("attempts", float("inf")),
        ("attempts", True),
        ("jitter", 1.5),
        ("jitter", -0.1),
        ("jitter", None),
    ],
)
def test_refuses_a_value_outside_its_range(option: str, value: object) -> None:
    """The error names the option and what can be used."""
    with pytest.raises(SettingsError, match=rf"Retry\({option}=.*\): give"):
        Retry(**{option: value})  # type: ignore[arg-type]


def test_a_failed_message_is_tried_again_and_then_parked() -> None:
    """Used-up attempts end in a state that is seen, never in nothing."""
    retry, error = Retry(attempts=2, backoff=1.0), ValueError("no")

    assert TryAgain(1.0) == after_failure(retry, 1, error, chance=0.5)
    assert Exhausted() == after_failure(retry, 2, error, chance=0.5)
    assert Exhausted() == after_failure(retry, 9, error, chance=0.5)


@pytest.mark.parametrize("error", [DecodeError("no"), Unroutable("orders", "type")])
def test_what_cannot_be_read_costs_no_attempt(error: Exception) -> None:
    """Bytes that do not fit stay as they are however often they are read."""
    assert Exhausted() == after_failure(Retry(attempts=5), 1, error, chance=0.5)


@pytest.mark.parametrize(
    ("error", "covered"),
    [
        (OSError("away"), True),
        (ConnectionError("away"), False),
        (ValueError("no"), False),
        (ExceptionGroup("both", [OSError("away"), TimeoutError("late")]), True),
        (ExceptionGroup("one of them", [OSError("away"), ValueError("no")]), False),
    ],
)
def test_only_what_is_worth_it_is_tried_again(error: Exception, covered: bool) -> None:
    """By class, and a group only if each error in it is."""
    retry = Retry(retry_on=(OSError,), give_up_on=(ConnectionError,))

    decision = after_failure(retry, 1, error, chance=0.5)

    assert retry.covers(error) is covered
    assert isinstance(decision, TryAgain if covered else Exhausted)


@pytest.mark.parametrize("classes", [OSError, ("OSError",), (int,), [OSError]])
def test_classes_of_errors_are_a_tuple_of_them(classes: object) -> None:
    """The error names the option."""
    with pytest.raises(SettingsError, match="retry_on"):
        Retry(retry_on=classes)  # type: ignore[arg-type]
