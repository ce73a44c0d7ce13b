"""From a snapshot to the figures of `/metrics`."""

from collections.abc import Iterator, Mapping, Sequence

from partita import PartitionState, Series
from partita_worker.endpoint.figures import Family, Sample
from partita_worker.endpoint.names import figure
from partita_worker.endpoint.snapshot import Snapshot


def families_of(now: Snapshot) -> Iterator[Family]:
    """Health, and what waits."""
    yield figure("partita_live", [(now.live.healthy,)])
    yield figure("partita_ready", [(now.ready.healthy,)])
    yield figure("partita_started", [(now.started.healthy,)])
    yield figure("partita_healthy", [(now.healthy,)])
    yield figure(
        "partita_part_unhealthy_seconds",
        # A part that is red for no time yet is red all the same.
        [
            (0.0 if part.healthy else max(part.since, 0.001), name)
            for name, part in now.health.parts.items()
        ],
    )  # fmt: skip
    yield figure("partita_event_loop_late_seconds", [(now.lag,)])
    yield from _backlogs(now)


def stated(partitions: Sequence[PartitionState]) -> Iterator[Family]:
    """What each partition is doing."""
    states = [(each.since, each.group, each.topic, each.partition, each.name.value) for each in partitions]
    unread = [
        (each.unread, each.group, each.topic, each.partition)
        for each in partitions
        if each.unread is not None
    ]
    yield figure("partita_partition_state_seconds", states)
    yield figure("partita_partition_unread_messages", unread)


def _backlogs(now: Snapshot) -> Iterator[Family]:
    if now.backlogs.age is None:
        return
    groups = now.backlogs.backlogs
    places = [(each, group.group) for group in groups for each in group.partitions]
    lags = [(each.lag, group, each.topic, each.partition) for each, group in places]
    ages = [(each.age, group, each.topic, each.partition) for each, group in places]
    yield figure("partita_backlog_messages", lags)
    yield figure("partita_backlog_seconds", ages)
    yield figure("partita_backlog_behind", [(each.behind, each.group) for each in groups])
    helps = [(each.scale_helps == "yes", each.group) for each in groups]
    yield figure("partita_backlog_scale_helps", helps)
    yield figure("partita_backlog_age_seconds", [(now.backlogs.age,)])


def counted(metrics: Mapping[Series, float]) -> Iterator[Family]:
    """What the bus has counted; the three names of a histogram are one family."""
    families: dict[str, list[Sample]] = {}
    kinds: dict[str, tuple[str, str]] = {}
    for series, value in metrics.items():
        name, family = series.family_name, series.family
        kinds[name] = family.kind, family.help
        sample = Sample(value, series.labels, series.name.removeprefix(name))
        families.setdefault(name, []).append(sample)
    for name, samples in families.items():
        yield Family(name, *kinds[name], samples)
