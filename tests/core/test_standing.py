"""Whether a process is alive, ready and started, judged without a broker."""

import pytest

from partita import Part
from partita.core.standing import QUIET_SECONDS, Attendance, judge_all


def green(reason: str) -> Part:
    """A healthy part."""
    return Part(healthy=True, reason=reason)


def red(reason: str, since: float = 0.0) -> Part:
    """An unhealthy part."""
    return Part(healthy=False, reason=reason, since=since)


def member() -> Attendance:
    """A member that began to connect at 10."""
    made = Attendance("consumer billing")
    made.joins(10.0)
    return made


def test_a_member_is_ready_when_it_was_told_its_share() -> None:
    """It says how many partitions that is."""
    billing = member()
    connecting = billing.judge(0, None, 12.0)

    billing.joined()
    waiting = billing.judge(0, 12.0, 13.0)
    billing.settled()

    assert connecting == red("consumer billing connects to the broker and joins its group", 2.0)
    assert waiting == red("consumer billing has joined, and waits for its share of the partitions", 3.0)
    assert billing.judge(1, 13.0, 14.0) == green("consumer billing has 1 partition")
    assert billing.judge(4, 13.0, 14.0) == green("consumer billing has 4 partitions")


def test_a_share_that_comes_with_the_connection_counts() -> None:
    """A group may answer before the call that asked it returns."""
    billing = member()

    billing.settled()
    billing.joined()

    assert billing.settled_once
    assert billing.judge(4, None, 99.0).healthy


def test_a_member_without_a_partition_is_ready_and_says_why() -> None:
    """It is there to take over; nothing is wrong with it."""
    billing = member()
    billing.settled()

    part = billing.judge(0, 20.0, 20.0)

    assert part.healthy
    assert "more members than partitions" in part.reason


@pytest.mark.parametrize(("quiet", "ready"), [(QUIET_SECONDS, True), (QUIET_SECONDS + 1, False)])
def test_a_member_that_does_not_poll_is_not_ready(quiet: float, ready: bool) -> None:
    """To the broker it may be a member for long; it does nothing."""
    billing = member()
    billing.settled()

    part = billing.judge(4, 20.0, 20.0 + quiet)

    assert part.healthy == ready
    assert part.since == (0.0 if ready else quiet)


def test_a_rebalance_is_not_ready_until_the_share_is_told_again() -> None:
    """What was given up is somebody's later; that it is ours again is not known before it is told."""
    billing = member()
    billing.settled()

    billing.gives_up(30.0)
    during = billing.judge(0, 31.0, 32.0)
    billing.settled()

    assert (during.healthy, during.since) == (False, 2.0)
    assert "given its partitions up" in during.reason
    assert billing.judge(2, 32.0, 33.0).healthy


def test_trouble_is_told_since_its_beginning_and_with_its_last_reason() -> None:
    """Lost, failed, connecting again and failing again are one time of trouble."""
    billing = member()
    billing.settled()

    billing.loses(40.0)
    lost = billing.judge(0, 40.0, 41.0)
    billing.fails("is to be started again: Outage: away", 42.0)
    billing.joins(43.0)
    failed = billing.judge(0, 40.0, 45.0)
    billing.fails("is to be started again: Outage: still away", 46.0)
    again = billing.judge(0, 40.0, 47.0)

    assert (lost.reason.split()[2:4], lost.since) == (["has", "lost"], 1.0)
    assert (failed.reason, failed.since) == ("consumer billing is to be started again: Outage: away", 5.0)
    assert (again.reason, again.since) == ("consumer billing is to be started again: Outage: still away", 7.0)


def test_all_are_as_ready_as_the_worst() -> None:
    """Each red one is named once; without any the reason is the caller's."""
    fine, bad, worse = green("fine"), red("a waits", 2.0), red("b waits", 5.0)

    assert judge_all([fine, fine, green("")], "none") == fine
    assert judge_all([fine, bad, worse, bad], "none") == red("a waits; b waits", 5.0)
    assert judge_all([], "nothing runs here") == red("nothing runs here")
