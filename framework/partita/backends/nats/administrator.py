"""What the server tells of topics and groups, and how a group is moved: over the bus's own connection."""

import re
from collections.abc import AsyncIterator, Mapping

from nats.js.errors import NotFoundError

from partita.backends.nats.answers import STREAM_NOT_FOUND, Answer
from partita.backends.nats.client import Connection
from partita.backends.nats.consumers import Durable
from partita.backends.nats.extents import milliseconds
from partita.backends.nats.metadata import CommitMetadata, Floor
from partita.backends.nats.names import consumer_name, stream_name, subject
from partita.backends.nats.topics import Topics, differing, partitions_of
from partita.core.administration import GroupDescription, PartitionDescription, TopicDescription
from partita.core.errors import SettingsError, TopicMissing
from partita.core.ports import Commit, TopicPartition

_MADE_FOR = re.compile(r"partita: .+ for the group (.+)", re.DOTALL)
_NOBODY: tuple[str, ...] = ()


class NatsAdministrator:
    """
    Describes and moves.

    Args:
        connection: an open connection.
        pin_timeout: seconds, for consumers that are made to give a group its beginning.
    """

    shifts = False

    def __init__(self, connection: Connection, pin_timeout: float) -> None:
        self._connection, self._pin_timeout = connection, pin_timeout
        self._topics = Topics(connection)

    async def _stream(self, topic: str) -> Answer:
        try:
            return await self._connection.ask(f"STREAM.INFO.{stream_name(topic)}")
        except NotFoundError as error:
            raise TopicMissing(topic) if error.err_code == STREAM_NOT_FOUND else error from None

    async def describe(self, topic: str) -> TopicDescription:
        """One topic; its partitions share one leader and its copies. Raises TopicMissing."""
        stream = await self._stream(topic)
        leader = stream.text("cluster", "leader")
        peers = stream.each("cluster", "replicas")
        names = (leader, *(each.text("name") for each in peers)) if leader or peers else _NOBODY
        current = (leader, *(each.text("name") for each in peers if each.at("current") is True))
        end = stream.number("state", "last_seq") + 1
        described = [
            PartitionDescription(
                partition=number,
                leader=leader,
                replicas=[each for each in names if each],
                in_sync=[each for each in current if each],
                earliest=await self._next(topic, number, 1, end),
                latest=end,
            )
            for number in range(partitions_of(topic, stream))
        ]
        return TopicDescription(topic, described, differing(stream))

    async def _next(self, topic: str, partition: int, offset: int, end: int) -> int:
        """The offset of the first message from *offset* on; *end* when there is none."""
        found = await self._message(topic, partition, offset)
        return end if found is None else found.number("message", "seq")

    async def _message(self, topic: str, partition: int, offset: int) -> Answer | None:
        body = {"seq": max(1, offset), "next_by_subj": subject(topic, partition)}
        try:
            return await self._connection.ask(f"STREAM.MSG.GET.{stream_name(topic)}", body)
        except NotFoundError:
            return None

    async def add_partitions(self, topic: str, partitions: int) -> None:
        """Give the stream more subjects. Raises TopicMissing, SettingsError, or the client's own error."""
        stream = await self._stream(topic)
        there = partitions_of(topic, stream)
        if partitions <= there:
            raise SettingsError(f"{topic!r} has {there} partitions; give more than that")
        config = stream.at("config")
        assert isinstance(config, Mapping)  # or it had no partitions
        added = [subject(topic, number) for number in range(there, partitions)]
        changed = {**config, "subjects": [*stream.texts("config", "subjects"), *added]}
        await self._connection.ask(f"STREAM.UPDATE.{stream_name(topic)}", changed)

    async def groups(self) -> Mapping[str, str]:
        """The state of each group that has a consumer of ours. Raises the client's own error."""
        states: dict[str, str] = {}
        for topic in await self._topics.listed():
            async for consumer in self._consumers(topic):
                found = _MADE_FOR.fullmatch(consumer.text("config", "description"))
                if found is not None:
                    live = states.get(found[1]) == "live" or _is_live(consumer)
                    states[found[1]] = "live" if live else "empty"
        return dict(sorted(states.items()))

    async def _consumers(self, topic: str) -> AsyncIterator[Answer]:
        offset, total = 0, 1
        while offset < total:
            page = await self._connection.ask(f"CONSUMER.LIST.{stream_name(topic)}", {"offset": offset})
            found = page.each("consumers")
            for each in found:
                yield each
            total = page.number("total") if found else 0
            offset += len(found)

    async def group(self, group: str) -> GroupDescription:
        """State of one group; its members the server does not know apart. Raises the client's own error."""
        state = "dead"
        for topic, partitions in (await self._topics.listed()).items():
            names = {consumer_name(group, number) for number in range(partitions)}
            async for consumer in self._consumers(topic):
                if consumer.text("name") in names:
                    state = "live" if state == "live" or _is_live(consumer) else "empty"
        return GroupDescription(group, state, None)

    async def at_time(self, topic: str, millis: int) -> Mapping[int, int | None]:
        """The first offset of each partition at or after a time. Raises as `describe`."""
        stream = await self._stream(topic)
        first, end = stream.number("state", "first_seq"), stream.number("state", "last_seq") + 1
        partitions = range(partitions_of(topic, stream))
        return {each: await self._since(topic, each, millis, (first, end)) for each in partitions}

    async def _since(self, topic: str, partition: int, millis: int, among: tuple[int, int]) -> int | None:
        """By halving: the server stamps the messages of a stream in the order of their offsets."""
        low, high = among
        found = None
        while low < high:
            middle = (low + high) // 2
            message = await self._message(topic, partition, middle)
            stamp = None if message is None else milliseconds(message)
            if message is None or stamp is None or stamp >= millis:
                found = found if message is None else message.number("message", "seq")
                high = middle
            else:
                low = message.number("message", "seq") + 1
        return found

    async def delete_group(self, group: str) -> None:
        """Delete the group's consumers; what the bucket says of them holds for no others."""
        for topic, partitions in (await self._topics.listed()).items():
            names = {consumer_name(group, number) for number in range(partitions)}
            found = [each.text("name") async for each in self._consumers(topic)]
            for name in names.intersection(found):
                await self._connection.ask(f"CONSUMER.DELETE.{stream_name(topic)}.{name}")

    async def move(
        self, group: str, offsets: Mapping[TopicPartition, int]
    ) -> Mapping[TopicPartition, Exception]:
        """Let each consumer begin there, and forget what was finished out of turn."""
        errors: dict[TopicPartition, Exception] = {}
        for at, offset in offsets.items():
            try:
                await self._place(group, at, max(1, offset))
            except Exception as error:  # noqa: BLE001 - it is told for its partition
                errors[at] = error
        return errors

    async def _place(self, group: str, at: TopicPartition, offset: int) -> None:
        durable = Durable(self._connection, at, group)
        made = await durable.place(offset, self._pin_timeout)
        metadata = CommitMetadata(self._connection, at, group)
        floor = Floor(made, offset - 1)
        stored = await metadata.committed(floor)
        commit = Commit(offset)
        if stored is not None and metadata.differs(commit):
            await metadata.store(commit, floor)


def _is_live(consumer: Answer) -> bool:
    """Whether a member has it, or asks for it."""
    pinned = any(each.text("pinned_client_id") for each in consumer.each("priority_groups"))
    return pinned or consumer.number("num_waiting") > 0
