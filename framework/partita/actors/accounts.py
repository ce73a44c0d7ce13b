"""What a member has come to, over all its starts, and how it is."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import anyio

from partita.actors.monitor import Monitor
from partita.actors.partition import Partition
from partita.actors.witness import Witness
from partita.core.doubts import Doubt
from partita.core.figures import Figures
from partita.core.health import Parked, Part, describe
from partita.core.metrics import Sample, Series
from partita.core.ports import TopicPartition
from partita.core.standing import Attendance
from partita.core.states import PartitionState, StateName

# What is wrong, and since when.
Trouble = tuple[str, float]
_log = logging.getLogger("partita.consumer")


class Account:
    """
    The figures and the health of one member.

    Args:
        name: the group's name.

    Attributes:
        partitions: those that it has now.
        witness: knows what the broker says of them.
        monitor: knows what each of them is doing.
        abandoned: messages whose handler was still running when the drain timeout passed.
        late_completions: handlers that returned when their partition was not ours any more; what they did
            counts for nothing here.
        restarts: how often it failed, and was to be started again with a new client.
        attendance: how it stands with its group.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.partitions: dict[TopicPartition, Partition] = {}
        self.witness = Witness(name, self.partitions, self._works)
        self.monitor = Monitor(name, self.partitions, self.witness)
        self.abandoned = self.late_completions = self.restarts = 0
        self._failures = 0
        self.attendance = Attendance(f"consumer {name}")
        self._before: dict[TopicPartition, Figures] = {}
        self._left: dict[TopicPartition, float] = {}
        self._trouble: Trouble | None = None
        self._unstored: Callable[[], Trouble | None] = lambda: None

    @property
    def handled(self) -> int:
        """Messages handled since the first start."""
        return sum(each.handled for each in self._before.values()) + sum(
            each.handled for each in self.partitions.values()
        )

    @property
    def failed(self) -> int:
        """Messages given up since the first start: dead letters and dropped ones."""
        return sum(each.failed for each in self._before.values()) + sum(
            each.failed for each in self.partitions.values()
        )

    @property
    def parked(self) -> Iterable[Parked]:
        """The messages that are parked now."""
        return [told for each in self.partitions.values() for told, _ in each.parked]

    @property
    def uncommitted(self) -> Sequence[TopicPartition]:
        """The partitions that it had last, of which not all that is finished could be stored."""
        return [at for at, since in self._left.items() if not self.witness.gone(at, since)]

    def _tell_uncommitted(self) -> None:
        if self.uncommitted:
            told = ", ".join(sorted(map(str, self.uncommitted)))
            _log.warning(
                "%s: the last offsets of %s are not stored: what was finished since is handled again",
                self.name, told,
            )  # fmt: skip

    @property
    def states(self) -> Sequence[PartitionState]:
        """The state of each partition."""
        return self.monitor.look()

    @property
    def parts(self) -> Mapping[str, Part]:
        """The health of this consumer, and of each partition that is in an unhealthy state."""
        parts = {f"consumer {self.name}": _part(self._trouble or self._unstored() or self._differs())}
        for at, each in self.partitions.items():
            for told, since in each.parked:
                parts.setdefault(str(at), _part((str(told), since)))
        for state in self.states:
            if not state.healthy and state.name is not StateName.PARKED:
                reason = f"{state.name.value}: {state.detail}"
                parts.setdefault(f"{state.topic}/{state.partition}", Part(False, reason, state.since))
        return parts

    def _differs(self) -> Trouble | None:
        """What the broker says otherwise, of partitions that are in no state of their own for that."""
        for at, since in self.witness.doubts(Doubt.NOBODYS):
            return f"{at}: {Doubt.NOBODYS.value}", since
        return None

    def samples(self) -> Iterator[Sample]:
        """Every number of this member, for each partition that it has or had."""
        for at in {**self._before, **self.partitions}:
            labels = {"group": self.name, "topic": at.topic, "partition": at.partition}
            figures = Figures()
            if (before := self._before.get(at)) is not None:
                figures.take(before)
            if (now := self.partitions.get(at)) is not None:
                _add(figures, now)
                yield Series("partita_unfinished_messages", labels), len(now.open)
                yield Series("partita_parked_messages", labels), len(list(now.parked))
            yield from figures.samples(labels)
        for family, number in (
            ("abandoned_messages", self.abandoned),
            ("late_completions", self.late_completions),
            ("restarts", self.restarts),
            ("silent_clients", self.witness.rebuilds),
            ("deleted_offsets", self.witness.deleted),
        ):
            yield Series(f"partita_{family}_total", {"group": self.name}), number

    def late(self) -> None:
        """A handler returned when its partition was not ours any more."""
        self.late_completions += 1

    def _gone(self, partition: Partition, *, behind: bool) -> None:
        """A partition is not ours any more; what it has come to stays. *behind*: not all of it is stored."""
        if behind:
            self._left[partition.name] = anyio.current_time()
        _add(self._before.setdefault(partition.name, Figures()), partition)
        del self.partitions[partition.name]

    def _fails(self, error: BaseException) -> None:
        """It is in trouble, perhaps still."""
        since = self._trouble[1] if self._trouble else anyio.current_time()
        self._trouble = describe(error), since
        self.attendance.fails(f"is to be started again: {describe(error)}", anyio.current_time())
        self._failures += 1
        self.restarts += 1

    def _works(self) -> None:
        """Its client has proved that it works."""
        if self._trouble is not None:
            seconds = anyio.current_time() - self._trouble[1]
            _log.info("%s: works again after %d failures in %.0f s", self.name, self._failures, seconds)
        self._trouble, self._failures = None, 0


def _add(figures: Figures, partition: Partition) -> None:
    figures.take(partition.figures)
    figures.handled += partition.handled
    figures.failed += partition.failed
    figures.consumed += partition.handled + partition.failed + len(partition.open)


def _part(trouble: tuple[str, float] | None) -> Part:
    if trouble is None:
        return Part(healthy=True)
    reason, since = trouble
    return Part(healthy=False, reason=reason, since=anyio.current_time() - since)
