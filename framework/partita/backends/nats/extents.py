"""
How far partitions reach, and where a group stands in them: asked over the bus's own connection.

The server counts what a consumer has not delivered and what is delivered and not acknowledged, so gaps,
purges and the other partitions of a stream do not matter. Offsets do not count anything here.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from nats.js.errors import NotFoundError

from partita.backends.nats.answers import CONSUMER_NOT_FOUND, STREAM_NOT_FOUND, Answer
from partita.backends.nats.client import Connection
from partita.backends.nats.consumers import Durable, Standing
from partita.backends.nats.names import consumer_name, stream_name, subject
from partita.backends.nats.topics import Topics, partitions_of
from partita.core.errors import TopicMissing
from partita.core.extents import BacklogQuestion, Extent, GroupExtents
from partita.core.ports import TopicPartition

# What members of this process have that was not handed over yet.
Buffered = Callable[[str, TopicPartition], int]


class NatsExtents:
    """
    Asks about backlogs.

    Args:
        connection: an open connection.
        buffered: messages that a member of this process has of a partition, beside those in hand.
    """

    def __init__(self, connection: Connection, buffered: Buffered) -> None:
        self._connection = connection
        self._topics = Topics(connection)
        self._buffered = buffered

    async def ask(self, question: BacklogQuestion) -> GroupExtents:
        """
        The extents of a group's partitions. How many members it has the server does not know.

        Raises:
            TopicMissing: a topic that was asked for does not exist.
            nats.errors.Error: the client's own error.
        """
        topics = question.topics if question.topics is not None else await self._read_by(question.group)
        found = await asyncio.gather(*[self._topic(question, each) for each in sorted(topics)])
        return GroupExtents({at: extent for each in found for at, extent in each.items()})

    async def _read_by(self, group: str) -> frozenset[str]:
        there = await self._topics.listed()
        consumers = {topic: await self._consumers(topic) for topic in there}
        names = {topic: {consumer_name(group, number) for number in range(n)} for topic, n in there.items()}
        return frozenset(topic for topic in there if names[topic] & consumers[topic])

    async def _consumers(self, topic: str) -> set[str]:
        names: set[str] = set()
        total = 1
        while len(names) < total:
            body = {"offset": len(names)}
            page = await self._connection.ask(f"CONSUMER.NAMES.{stream_name(topic)}", body)
            found = page.texts("consumers")
            names.update(found)
            total = page.number("total") if found else 0
        return names

    async def _topic(self, question: BacklogQuestion, topic: str) -> Mapping[TopicPartition, Extent]:
        try:
            stream = await self._connection.ask(f"STREAM.INFO.{stream_name(topic)}")
        except NotFoundError as error:
            raise TopicMissing(topic) if error.err_code == STREAM_NOT_FOUND else error from None
        partitions = [TopicPartition(topic, number) for number in range(partitions_of(topic, stream))]
        end = stream.number("state", "last_seq") + 1
        extents = await asyncio.gather(*[self._extent(question, at, end) for at in partitions])
        return dict(zip(partitions, extents, strict=True))

    async def _extent(self, question: BacklogQuestion, at: TopicPartition, end: int) -> Extent:
        standing = await self._standing(question.group, at)
        if standing is None:
            return await self._untouched(question, at, end)
        held = question.held.get(at)
        delivered = standing.unacknowledged
        if held is not None and held.in_hand is not None:
            # What is handled here is acknowledged about once a second.
            delivered = min(delivered, held.in_hand + self._buffered(question.group, at))
        lag = standing.pending + delivered
        first, oldest = end, None
        if lag and held is not None and held.oldest is not None:
            first, oldest = held.position, held.oldest
        elif lag:
            # Those below the position are handled, and not acknowledged yet.
            offset = max(standing.floor + 1, held.position if held is not None else 0)
            first, oldest = await self._first(at, offset, end)
        return Extent(
            committed=standing.floor + 1 if standing.floor else None,
            first=first,
            end=max(end, first),
            lag=lag,
            arrived=standing.handled + standing.unacknowledged + standing.pending,
            oldest=oldest,
            read=True if standing.pin or standing.pulls else (False if lag else None),
        )

    async def _standing(self, group: str, at: TopicPartition) -> Standing | None:
        """The state of the group's consumer; None: it was never made."""
        try:
            return await Durable(self._connection, at, group).standing()
        except NotFoundError as error:
            if error.err_code != CONSUMER_NOT_FOUND:
                raise
            return None

    async def _untouched(self, question: BacklogQuestion, at: TopicPartition, end: int) -> Extent:
        """A partition in which the group has never been: all that is there waits, or nothing."""
        if question.start != "earliest":
            return Extent(None, end, end, 0, 0, read=False)
        name = subject(*at)
        body = {"subjects_filter": name}
        stream = await self._connection.ask(f"STREAM.INFO.{stream_name(at.topic)}", body)
        lag = stream.number("state", "subjects", name)
        first, oldest = await self._first(at, 1, end) if lag else (end, None)
        return Extent(None, first, max(end, first), lag, lag, oldest, read=False)

    async def _first(self, at: TopicPartition, offset: int, end: int) -> tuple[int, int | None]:
        """Offset and time of the first message from *offset* on."""
        body = {"seq": offset, "next_by_subj": subject(*at)}
        try:
            found = await self._connection.ask(f"STREAM.MSG.GET.{stream_name(at.topic)}", body)
        except NotFoundError:
            return end, None  # it was deleted meanwhile, or purged
        return found.number("message", "seq"), milliseconds(found)


def milliseconds(found: Answer) -> int | None:
    """The time of a stored message, in milliseconds since 1970; None if it cannot be read."""
    stamp = found.text("message", "time")
    try:
        # The server writes nanoseconds, of which Python reads the first six digits at the most.
        whole, _, rest = stamp.partition(".")
        fraction = float(f"0.{rest.rstrip('Z')}") if rest else 0.0
        seconds = datetime.fromisoformat(f"{whole.rstrip('Z')}+00:00").timestamp()
    except ValueError:
        return None
    return int((seconds + fraction) * 1000)
