"""The length of a slice follows what its messages take."""

from hypothesis import given
from hypothesis import strategies as st

from partita.core.slices import LONGEST, SECONDS, SHORTEST, SliceLength


def test_quick_slices_become_longer_and_slow_ones_shorter() -> None:
    """Doubled and halved; one of about the right time stays as it is."""
    length = SliceLength()

    length.took(SECONDS / 10, 64, 64)
    assert length.messages == 128
    length.took(SECONDS, 128, 128)
    assert length.messages == 128
    length.took(SECONDS * 3, 128, 128)

    assert length.messages == 64


def test_a_slice_that_was_not_full_says_nothing_about_longer_ones() -> None:
    """It was quick because there was little to do."""
    length = SliceLength()

    length.took(0.0, 3, 64)

    assert length.messages == 64


@given(st.lists(st.floats(0, 10)))
def test_never_leaves_its_bounds(times: list[float]) -> None:
    """At least one message, at most 4,096."""
    length = SliceLength()

    for seconds in times:
        length.took(seconds, length.messages, length.messages)
        assert SHORTEST <= length.messages <= LONGEST
