"""
How far partitions reach, and where a group stands in them: asked over the admin connection.

Not over the consumer's: a broker answers the requests of one connection in order, and there they would wait
behind a fetch that waits for messages. What the broker holds at a group's place is looked at only where this
process does not know it better: one small fetch for each leader, and a few more if it shows nothing but
markers of transactions.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import attrs
from aiokafka.errors import (
    LeaderNotAvailableError,
    NoError,
    NotLeaderForPartitionError,
    OffsetOutOfRangeError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest

from partita.backends.kafka import client
from partita.backends.kafka.admin import KafkaAdmin
from partita.backends.kafka.membership import GroupReader, Stored
from partita.backends.kafka.peeking import Peek, peek
from partita.core.errors import TopicMissing
from partita.core.extents import BacklogQuestion, Extent, GroupExtents, Place
from partita.core.ports import TopicPartition

BEGIN, END = -2, -1
# Bytes of each partition: enough for the headers of some batches, or for 50 markers.
_PEEK_BYTES = 4096
# Beside them: one batch is returned whole, and what it takes must not be taken from the others.
_WHOLE_BATCH = 2**26
_PEEKS = 4
_TOPICS_SECONDS = 30.0
_TRIES, _PAUSE = 50, 0.1
_READ_COMMITTED = "read_committed"

T = TypeVar("T")
Ends = Mapping[TopicPartition, int]


@attrs.frozen
class Spot:
    """
    Where a group stands in one partition, and how far that reaches.

    Args:
        begin: the first offset that there is still.
        end: the offset after the last message that a reader can reach.
        place: where the group stands.
    """

    begin: int
    end: int
    place: Place

    def after(self, seen: Peek) -> tuple[int, int]:
        """The first message that is not handled, and how many there are, in the light of what was seen."""
        first = seen.first if seen.first is not None else min(seen.end, self.end)
        beyond = max(0, self.end - max(seen.end, self.place.position))
        return min(first, self.end), min(seen.messages + beyond, self.end - self.place.position)


class KafkaExtents:
    """
    Asks about backlogs.

    Args:
        admin: the connection, and the leaders.
        isolation: the consumers' `isolation_level`.
    """

    def __init__(self, admin: KafkaAdmin, isolation: str) -> None:
        self._admin = admin
        self._isolation = int(isolation == _READ_COMMITTED)
        self._groups = GroupReader(admin)
        self._topics: Mapping[str, Any] = {}
        self._topics_until = 0.0

    async def ask(self, question: BacklogQuestion) -> GroupExtents:
        """
        The extents of a group's partitions.

        Raises:
            TopicMissing: a topic that was asked for does not exist.
            KafkaTimeoutError: no answer within the request deadline.
            Exception: the client's own error.
        """
        stored = await self._groups.ask(question.group)
        return await settled(lambda: self._ask(question, stored))

    async def _ask(self, question: BacklogQuestion, stored: Stored) -> GroupExtents:
        leaders = await self._leaders(question, stored)
        try:
            begins, ends = await asyncio.gather(self.offsets(leaders, BEGIN), self.offsets(leaders, END))
        except Exception:
            self._topics_until = 0.0  # a leader may have moved, or a topic be gone
            raise
        spots = {at: _spot(question, stored, at, begins[at], ends[at]) for at in leaders}
        unclear = {
            at: spot.place.position
            for at, spot in spots.items()
            if spot.place.position < spot.end and _known(question, at, spot) is None
        }
        seen = await self._peek({at: leaders[at] for at in unclear}, unclear, ends)
        found = {at: self._extent(question, stored, at, spots[at], seen.get(at)) for at in leaders}
        return GroupExtents(found, stored.members)

    async def _leaders(self, question: BacklogQuestion, stored: Stored) -> Mapping[TopicPartition, int]:
        wanted = question.topics if question.topics is not None else stored.topics
        described = await self._described(wanted)
        if question.topics is None:
            wanted &= described.keys()
        if missing := sorted(wanted - described.keys()):
            raise TopicMissing(missing[0])
        return {
            TopicPartition(topic, each["partition"]): each["leader"]
            for topic in sorted(wanted)
            for each in described[topic]["partitions"]
        }

    async def _described(self, topics: frozenset[str]) -> Mapping[str, Any]:
        """The description of all topics, 30 s old at the most: that of a large cluster is long."""
        now = asyncio.get_running_loop().time()
        if now >= self._topics_until or not topics <= self._topics.keys():
            self._topics = await self._admin.described()
            self._topics_until = now + _TOPICS_SECONDS
        return self._topics

    async def offsets(self, leaders: Mapping[TopicPartition, int], which: int) -> Ends:
        """
        One offset of each partition.

        Args:
            leaders: who is asked for which.
            which: BEGIN, END, or milliseconds since 1970 for the first message at or after that time, and
                -1 if there is none.

        Raises:
            Exception: the client's own error.
        """

        async def ask(node: int, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
            topics = _by_topic((at, (at.partition, which)) for at in partitions)
            request = client.make(OffsetRequest, -1, self._isolation, topics)
            answer = await self._admin.answer(lambda admin: client.send(admin, node, request))
            found = {}
            for topic, number, code, *_, offset in _parts(answer.topics):
                _check(code)
                found[TopicPartition(topic, number)] = offset
            return found

        answers = await asyncio.gather(*[ask(node, each) for node, each in _by_leader(leaders).items()])
        return {at: offset for answer in answers for at, offset in answer.items()}

    async def _peek(
        self, leaders: Mapping[TopicPartition, int], offsets: Mapping[TopicPartition, int], ends: Ends
    ) -> Mapping[TopicPartition, Peek]:
        """What stands at *offsets*, and behind it if that is nothing that a reader is handed."""
        seen: dict[TopicPartition, Peek] = {}
        unclear = dict(offsets)
        for _ in range(_PEEKS):
            looks = [
                self._fetch(node, {at: unclear[at] for at in each})
                for node, each in _by_leader({at: leaders[at] for at in unclear}).items()
            ]
            for answer in await asyncio.gather(*looks):
                seen.update(answer)
            unclear = {
                at: seen[at].end
                for at, offset in unclear.items()
                if at in seen and seen[at].first is None and offset < seen[at].end < ends[at]
            }
            if not unclear:
                break
        return seen

    async def _fetch(self, node: int, offsets: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, Peek]:
        found, bare = await self._look(node, offsets)
        if bare and len(offsets) > 1:
            # A batch above what is asked for is handed out only at the beginning of an answer.
            alone = await asyncio.gather(*[self._look(node, {at: offsets[at]}) for at in bare])
            found |= {at: seen for each, _ in alone for at, seen in each.items()}
        return found

    async def _look(
        self, node: int, offsets: Mapping[TopicPartition, int]
    ) -> tuple[dict[TopicPartition, Peek], Sequence[TopicPartition]]:
        """What there is at *offsets*, and the partitions of which the answer holds nothing."""
        topics = _by_topic((at, (at.partition, offset, _PEEK_BYTES)) for at, offset in offsets.items())
        room = _PEEK_BYTES * len(offsets) + _WHOLE_BATCH
        request = client.make(FetchRequest, 0, 0, room, self._isolation, topics)
        answer = await self._admin.answer(lambda admin: client.send(admin, node, request))
        found: dict[TopicPartition, Peek] = {}
        bare = []
        # Not by the client's `to_object`, which fails where no list of transactions is (aiokafka 0.14).
        for topic, number, code, *rest, data in _parts(answer.topics):
            at = TopicPartition(topic, number)
            if for_code(code) is OffsetOutOfRangeError:
                continue  # it was deleted since the begin was asked for
            _check(code)
            aborted = next((each for each in rest if isinstance(each, list)), ())
            found[at] = peek(data or b"", offsets[at], aborted)
            if not data:
                bare.append(at)
        return found, bare

    def _extent(
        self,
        question: BacklogQuestion,
        stored: Stored,
        at: TopicPartition,
        spot: Spot,
        seen: Peek | None,
    ) -> Extent:
        place, end = spot.place, spot.end
        first, messages, oldest = place.position, end - place.position, _known(question, at, spot)
        if seen is not None:
            first, messages = spot.after(seen)
            oldest = seen.timestamp
        commit = stored.commits.get(at)
        return Extent(
            committed=None if commit is None else commit.offset,
            first=first,
            end=end,
            lag=place.unfinished(messages, end),
            arrived=end,
            oldest=oldest,
            begin=spot.begin,
            read=None if stored.owned is None else at in stored.owned,
        )


async def settled(ask: Callable[[], Awaitable[T]]) -> T:
    """
    What leaders answer; asked anew for up to 5 s while one of them says that it is none.

    A leader that was just elected, also that of a topic that was just made, may not know it yet.
    """
    for _ in range(_TRIES):
        try:
            return await ask()
        except (NotLeaderForPartitionError, LeaderNotAvailableError, UnknownTopicOrPartitionError):
            await asyncio.sleep(_PAUSE)
    return await ask()


def _spot(question: BacklogQuestion, stored: Stored, at: TopicPartition, begin: int, end: int) -> Spot:
    place = Place.of(stored.commits.get(at), question.held.get(at), begin, end, question.start)
    return Spot(begin, end, place)


def _known(question: BacklogQuestion, at: TopicPartition, spot: Spot) -> int | None:
    """The time of the message at the group's place, if this process has it in hand."""
    held = question.held.get(at)
    return held.oldest if held is not None and held.position == spot.place.position else None


def _by_leader(leaders: Mapping[TopicPartition, int]) -> Mapping[int, list[TopicPartition]]:
    found = defaultdict(list)
    for at, node in leaders.items():
        found[node].append(at)
    return found


def _by_topic(parts: Iterable[tuple[TopicPartition, tuple[int, ...]]]) -> list[Any]:
    found = defaultdict(list)
    for at, part in parts:
        found[at.topic].append(part)
    return list(found.items())


def _parts(topics: Iterable[tuple[str, Iterable[tuple[Any, ...]]]]) -> Iterable[tuple[Any, ...]]:
    return ((topic, *part) for topic, parts in topics for part in parts)


def _check(code: int) -> None:
    error = for_code(code)
    if error is not NoError:
        raise error(f"the broker's answer about a partition is {error.__name__}")
