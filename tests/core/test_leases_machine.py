"""Leases against a model: one owner for each partition, and nothing counts that comes after the end."""

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)
from tests.machines import play

from partita.core.leases import Lease, Leases
from partita.core.ports import TopicPartition

PARTITIONS = [TopicPartition("orders", number) for number in range(3)]


class LeaseMachine(RuleBasedStateMachine):
    """Partitions come, drain, go and come back, while what was begun under old leases ends at any time."""

    leases = Bundle("leases")
    begun = Bundle("begun")

    def __init__(self) -> None:
        super().__init__()
        self.leases_now = Leases()
        self.owner: dict[TopicPartition, Lease] = {}
        self.draining: set[Lease] = set()
        self.ended: set[Lease] = set()
        self.given: list[Lease] = []

    @rule(target=leases, at=st.sampled_from(PARTITIONS))
    def assign(self, at: TopicPartition) -> Lease:
        """A partition is ours, perhaps again, perhaps with no word about the last time."""
        if at in self.owner:
            self._end(self.owner[at])
        lease = self.owner[at] = Lease(at)
        assert all(lease.epoch > each.epoch for each in self.given), "an epoch grows over all partitions"
        assert all(lease != each for each in self.given)
        self.given.append(lease)
        self.leases_now.hold(lease)
        return lease

    @rule(lease=leases)
    def drain(self, lease: Lease) -> None:
        """It is revoked in good order; told late, it changes nothing."""
        lease.drain()
        self.draining.add(lease)

    @rule(lease=leases)
    def end(self, lease: Lease) -> None:
        """It is gone."""
        self._end(lease)

    def _end(self, lease: Lease) -> None:
        lease.end()
        self.leases_now.drop(lease)
        self.ended.add(lease)
        if self.owner.get(lease.partition) is lease:
            del self.owner[lease.partition]

    @rule(target=begun, lease=leases)
    def start(self, lease: Lease) -> object:
        """A message is started, if the lease lets it."""
        return lease if lease.takes_messages else multiple()

    @rule(lease=consumes(begun))
    def complete(self, lease: Lease) -> None:
        """What was begun ends: it counts only for the owner of that very assignment."""
        counts = self.owner.get(lease.partition) is lease

        assert lease.may_commit is counts
        assert (self.leases_now.of(*lease.partition) is lease) is counts, "a handler may ask for itself"

    @invariant()
    def only_owners_commit_and_only_those_that_do_not_drain_start_anything(self) -> None:
        """For every lease there ever was."""
        for lease in self.given:
            owned = lease not in self.ended
            assert lease.may_commit is owned
            assert lease.takes_messages is (owned and lease not in self.draining)
        commit = [each.partition for each in self.given if each.may_commit]
        assert sorted(commit) == sorted(self.owner), "never two leases of one partition at once"
        for at in PARTITIONS:
            held = self.leases_now.of(*at)
            assert held is self.owner[at] if at in self.owner else not held.may_commit


def test_only_the_last_lease_of_a_partition_counts() -> None:
    """Whatever order assignments, drains, ends and late completions come in."""
    assert play(LeaseMachine, examples=60, steps=40) >= 60
