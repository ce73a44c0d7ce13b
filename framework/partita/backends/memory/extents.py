"""How far the partitions in memory reach, and where a group stands in them."""

from collections.abc import Iterator

from partita.backends.memory.broker import MemoryBroker
from partita.backends.memory.groups import Group
from partita.core.extents import BacklogQuestion, Extent, GroupExtents, Place
from partita.core.ports import Commit, TopicPartition


def extents(broker: MemoryBroker, question: BacklogQuestion) -> GroupExtents:
    """What *broker* says of a group; nothing comes into being for the question."""
    group = broker.known_group(question.group)
    topics = question.topics if question.topics is not None else group.topics if group else frozenset()
    found = {at: _extent(broker, group, question, at) for at in _partitions(broker, topics)}
    return GroupExtents(found, group.members if group else 0)


def _partitions(broker: MemoryBroker, topics: frozenset[str]) -> Iterator[TopicPartition]:
    there = broker.topics
    for topic in sorted(topics & there.keys()):
        yield from (TopicPartition(topic, number) for number in range(there[topic]))


def _extent(
    broker: MemoryBroker, group: Group | None, question: BacklogQuestion, at: TopicPartition
) -> Extent:
    log, end = broker.log(at), len(broker.log(at))
    commit = group.committed.get(at) if group else None
    # Where a member without a commit has begun: "latest" means another place by now.
    begun = Commit(group.starts[at]) if group and at in group.starts else None
    place = Place.of(commit or begun, question.held.get(at), 0, end, question.start)
    first = place.position
    return Extent(
        committed=None if commit is None else commit.offset,
        first=first,
        end=end,
        lag=place.unfinished(end - first, end),
        arrived=end,
        oldest=log[first].timestamp if first < end else None,
        read=group is not None and at in group.owned,
    )
