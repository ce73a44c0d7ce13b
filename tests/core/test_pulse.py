"""Whether records that are published come back, judged in virtual time."""

import math

import pytest

from partita import SettingsError
from partita.core.pulse import MOST_PENDING, Pulse, check_interval


def beating(until: float = 0.0) -> Pulse:
    """A pulse of one beat in ten seconds, all of them back within 20 ms, begun at 0."""
    pulse = Pulse(10.0, 0.0)
    for number in range(int(until // 10) + 1):
        pulse.acknowledge(pulse.send(number * 10.0))
        pulse.take(pulse.sent, number * 10.0 + 0.02)
    return pulse


def test_a_beat_that_is_back_is_healthy_and_tells_its_latency() -> None:
    """From its publishing to its being fetched."""
    pulse = beating(until=20.0)

    part = pulse.judge(29.0)

    assert (part.healthy, part.reason) == (True, "a beat was back after 20 ms")
    assert (pulse.sent, pulse.back, pulse.returned) == (3, 3, 3)
    assert pulse.latency == pytest.approx(0.02)


@pytest.mark.parametrize("stopped", [0.03, 5.0, 9.9])
def test_fetching_that_stops_is_red_within_two_intervals(stopped: float) -> None:
    """Wherever between two beats it stopped, and not before a beat is late."""
    pulse = beating()
    pulse.acknowledge(pulse.send(10.0))

    assert pulse.judge(19.9).healthy
    part = pulse.judge(stopped + 20.0)

    assert not part.healthy
    assert part.reason.startswith("a beat was acknowledged but not fetched within")
    assert part.since == pytest.approx(stopped + 10.0)


def test_a_late_beat_is_green_again_and_so_is_a_lost_one_when_a_later_one_comes() -> None:
    """What came later has passed the same way."""
    pulse = beating()
    lost, later = pulse.send(10.0), pulse.send(20.0)
    red = pulse.judge(21.0)

    pulse.take(later, 21.5)

    assert not red.healthy
    assert pulse.judge(22.0).healthy
    assert pulse.latency == pytest.approx(1.5)
    pulse.take(lost, 23.0)
    assert pulse.returned == later


def test_a_publish_that_hangs_is_told_apart() -> None:
    """Neither acknowledged nor fetched: the publishing half is in trouble."""
    pulse = beating()
    pulse.send(10.0)

    assert "was neither acknowledged nor fetched within 10.5 s" in pulse.judge(20.5).reason


def test_a_refused_beat_is_red_at_once_and_since_the_first() -> None:
    """Until one is acknowledged."""
    pulse = beating()
    pulse.refuse(pulse.send(10.0), "Outage: away", 10.5)
    pulse.refuse(pulse.send(20.0), "Outage: still away", 20.5)

    part = pulse.judge(25.0)
    number = pulse.send(30.0)
    pulse.acknowledge(number)

    assert (part.reason, part.since) == ("a beat could not be published: Outage: still away", 14.5)
    assert pulse.judge(31.0).healthy


def test_the_first_beat_may_take_two_intervals() -> None:
    """Its reader may not be in its place yet; it is not called healthy for what was only published."""
    pulse = Pulse(10.0, 0.0)
    pulse.acknowledge(pulse.send(0.0))

    assert pulse.judge(19.0).reason == "no beat is back yet"
    assert not pulse.judge(20.1).healthy


def test_beats_that_are_not_sent_any_more_are_red() -> None:
    """Silence is not health: neither at the start nor later."""
    pulse, later = Pulse(10.0, 5.0), beating()

    assert pulse.judge(25.0).healthy
    assert pulse.judge(25.5).reason == "no beat was published for 20.5 s"
    assert not later.judge(20.1).healthy


def test_what_is_remembered_is_bounded() -> None:
    """A broker that hands nothing out for a week costs no memory, and its beats are still red."""
    pulse = beating()
    for number in range(10 * MOST_PENDING):
        pulse.acknowledge(pulse.send(10.0 * (number + 1)))

    assert pulse.judge(10_010.0).since == 10_000.0
    pulse.take(pulse.sent, 10_010.0)
    assert pulse.judge(10_011.0).healthy


@pytest.mark.parametrize("interval", [0, 0.05, -1, math.inf, math.nan, "10", True, None])
def test_an_interval_that_is_none_is_refused(interval: object) -> None:
    """With the least that is taken."""
    with pytest.raises(SettingsError, match=r"0\.1 or more"):
        check_interval(interval)
    assert check_interval(2) == 2.0
