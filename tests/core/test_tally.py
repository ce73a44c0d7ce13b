"""Each failure is told once, and while it lasts once a minute with its count."""

from partita.core.tally import MOST_CAUSES, Tally


def test_a_failure_that_goes_on_is_told_once_a_minute_with_a_count() -> None:
    """Ten a second for two minutes are three lines."""
    tally = Tally()

    told = [(n / 10, count) for n in range(1201) if (count := tally.failed("away", n / 10)) is not None]

    assert told == [(0.0, 1), (60.0, 600), (120.0, 600)]


def test_another_cause_is_told_at_once() -> None:
    """However often the first has been told."""
    tally = Tally()
    tally.failed("away", 0.0)

    assert tally.failed("refused", 0.1) == 1
    assert tally.failed("away", 0.2) is None


def test_causes_without_end_do_not_fill_the_memory() -> None:
    """Of too many the one that was told first is forgotten."""
    tally = Tally()
    for number in range(MOST_CAUSES + 1):
        tally.failed(f"cause {number}", float(number))

    assert tally.failed("cause 0", 200.0) == 1
    assert tally.failed(f"cause {MOST_CAUSES}", 100.5) is None
