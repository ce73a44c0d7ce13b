"""A lease only moves down: held, draining, ended."""

from hypothesis import given
from hypothesis import strategies as st

from partita.core.leases import Lease, Leases, LeaseState
from partita.core.ports import TopicPartition

AT = TopicPartition("orders", 0)


def test_a_new_lease_takes_messages_and_commits() -> None:
    """Assigned is held."""
    lease = Lease(AT)

    assert lease.takes_messages
    assert lease.may_commit


def test_a_draining_lease_commits_what_is_finished_and_starts_nothing() -> None:
    """Revoked in good order: no new message, but the offsets of the old ones."""
    lease = Lease(AT)

    lease.drain()

    assert not lease.takes_messages
    assert lease.may_commit


def test_an_ended_lease_commits_nothing_whatever_comes_late() -> None:
    """A drain that is told after the end does not bring the lease back."""
    lease = Lease(AT)
    lease.end()

    lease.drain()

    assert LeaseState.ENDED is lease.state
    assert not lease.may_commit


def test_two_leases_of_one_partition_differ() -> None:
    """What was begun under one counts for nothing under the next."""
    first, second = Lease(AT), Lease(AT)

    assert second.epoch > first.epoch
    assert first != second


@given(st.lists(st.sampled_from(["drain", "end"])))
def test_never_moves_up(steps: list[str]) -> None:
    """No order of events gives back what was taken."""
    lease, order = Lease(AT), list(LeaseState)

    for step in steps:
        before = lease.state
        getattr(lease, step)()
        assert order.index(lease.state) >= order.index(before)

    assert ("end" not in steps) == lease.may_commit
    assert (not steps) == lease.takes_messages


def test_the_lease_of_a_partition_is_the_latest_and_none_of_ours_when_it_is_gone() -> None:
    """What an earlier lease gives back late does not take the later one away."""
    first, second, leases = Lease(AT), Lease(AT), Leases()
    leases.hold(first)
    leases.hold(second)

    leases.drop(first)

    assert leases.of("orders", 0) is second
    assert not leases.of("orders", 1).may_commit
    leases.drop(second)
    assert not leases.of("orders", 0).may_commit
    assert leases.of("orders", 0).fence == 0
