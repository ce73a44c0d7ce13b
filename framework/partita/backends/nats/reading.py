"""One partition as one member reads it: its lane, its consumer, and what is asked of both."""

import logging
from collections.abc import Awaitable, Callable

import attrs
from nats import errors
from nats.aio.msg import Msg
from nats.js.errors import APIError

from partita.backends.nats import headers as wire
from partita.backends.nats.client import Connection
from partita.backends.nats.consumers import Durable, Standing
from partita.backends.nats.lane import Lane
from partita.backends.nats.metadata import CommitMetadata, Floor
from partita.backends.nats.records import NatsReader, place
from partita.core.ports import Commit, Fetch, TopicPartition

# Counted for each message that waits here beside its value, so that empty ones are bounded too.
OVERHEAD = 256
# A pin older than this that nobody answers for is not one that was on its way to us.
UNSEEN_SECONDS = 2.0
_log = logging.getLogger("partita.nats")


@attrs.define(eq=False)
class Reading:
    """
    A partition and what this member knows of it.

    Args:
        at: its name.
        durable: the group's consumer for it.
        lane: what to do.
        metadata: what is stored beside the consumer's floor.
        inbox: where its pulls are answered, without the pull's token.

    Attributes:
        restless: whether the latest message may have changed what is to be done.
    """

    at: TopicPartition
    durable: Durable
    lane: Lane
    metadata: CommitMetadata
    inbox: str
    restless: bool = attrs.field(default=False, init=False)

    def take(self, message: Msg, now: float) -> bool:
        """A message has come. Whether it goes to the owner."""
        lane, pin = self.lane, self.lane.pin
        offset, delivery, _ = place(message.reply)
        headers = message.headers or {}
        taken = lane.delivered(headers.get(wire.PIN, ""), offset, delivery, now)
        self.restless = not taken or lane.pin is not pin
        if lane.pin is not None and not lane.awaiting:
            lane.deliveries.add(offset, message.reply)
        if taken:
            lane.buffer.append(message)
            lane.buffered += len(message.data) + OVERHEAD
        return taken

    def hand_over(self) -> Fetch:
        """What has come and was not handed over."""
        records, end_offset, size = self.lane.hand_over()
        first = NatsReader.offset(records[0])
        return Fetch(self.at, records, end_offset, size - len(records) * OVERHEAD, first)

    async def commit(self, connection: Connection, commit: Commit, now: float) -> None:
        """
        Acknowledge all below the commit's offset, make sure that the server took it, and store the rest.

        Raises:
            nats.errors.Error: it was not stored, or the partition is somebody else's.
        """
        if self.lane.lapsed(now):
            raise refused(423, f"{self.at} is not this member's any more")
        floor = await self._acknowledge(connection, commit.offset, now)
        # In this order: what stands in the entry must never be for a floor that was not reached.
        if self.metadata.differs(commit):
            await self.metadata.store(commit, floor or _floor(await self.durable.standing()))

    async def _acknowledge(self, connection: Connection, offset: int, now: float) -> Floor | None:
        """Where the consumer stands then; None when there was nothing to do."""
        lane, deliveries = self.lane, self.lane.deliveries
        try:
            due = deliveries.until(offset)
        except LookupError as error:
            found = await self.durable.standing()
            if found.floor + 1 >= offset:
                return _floor(found)
            raise refused(409, f"{self.at}: {error}") from None
        if due is None:
            return None
        await connection.request(due.reply)
        # The server says yes to an ack that it ignores (see Deliveries), so the floor is what counts.
        found = await self.durable.standing()
        if found.floor < due.offset:
            lane.restart(now)
            raise refused(409, f"{self.at}: a late ack of a former owner stands in the way; read again")
        deliveries.acknowledged(due.offset)
        return _floor(found)

    async def committed(self) -> Commit | None:
        """
        What the group has committed; None: nothing.

        Raises:
            nats.errors.Error: the client's own error.
        """
        return await self.metadata.committed(_floor(await self.durable.standing()))

    async def begin(self, commit: Commit, now: float) -> int:
        """
        Store what an assignment starts from; returns its fence.

        That is the number of the entry. It is ours alone, and above those of all former owners, if the
        partition is still pinned to us when it has been given out: whoever has it later stores later.
        0 when the bucket cannot be used, which the account may not be permitted to.

        Raises:
            nats.errors.Error: the partition is somebody else's, or the server did not say whose.
        """
        pin = None if self.lane.lapsed(now) else self.lane.pin
        found = await self.durable.standing()
        if found.pin == pin:
            fence = await self._numbered(commit, _floor(found))
            if (await self.durable.standing()).pin == pin == self.lane.pin:
                return fence
        raise refused(423, f"{self.at} is not this member's any more")

    async def _numbered(self, commit: Commit, floor: Floor) -> int:
        try:
            return await self.metadata.store(commit, floor)
        except errors.Error as error:
            _log.warning("%s has no fence, its beginning was not stored: %s", self.at, type(error).__name__)
            return 0

    async def unread(self, is_alive: Callable[[str], Awaitable[bool]]) -> int:
        """
        Messages that this member should still be handed.

        Args:
            is_alive: asks whether the owner of a pin id answers. The pin of a dead member stands until it
                times out, and one that was just given out may be ours with its first message on the way.

        Raises:
            nats.errors.Error: the client's own error.
        """
        return (await self.seen(is_alive))[2]

    async def seen(self, is_alive: Callable[[str], Awaitable[bool]]) -> tuple[bool, bool, int]:
        """
        Whether the server has this member for its owner, whether it has left messages to nobody, and how many
        this member should still be handed; as `unread`.
        """
        found, lane = await self.durable.standing(), self.lane
        if lane.pin is not None and lane.pin == found.pin:
            under_way = found.unacknowledged if lane.awaiting else max(0, found.delivered + 1 - lane.expected)
            return True, False, found.pending + under_way + len(lane.buffer)
        left = found.pending + found.unacknowledged + len(lane.buffer)
        if left and lane.pin is None and found.pin and await is_alive(found.pin):
            return False, False, 0
        return False, lane.pin is None and left > 0, left

    async def release_unseen(self, is_alive: Callable[[str], Awaitable[bool]]) -> None:
        """
        Give the partition away if the server gave it to us and we left before its first message came.

        Raises:
            nats.errors.Error: the client's own error.
        """
        found = await self.durable.standing()
        if found.pin and found.pinned_for < UNSEEN_SECONDS and not await is_alive(found.pin):
            await self.durable.release(unfinished=found.unacknowledged > 0)


def _floor(found: Standing) -> Floor:
    return Floor(found.made, found.floor)


def refused(code: int, description: str) -> APIError:
    """The client's own class for what a server refuses; here its state says so rather than an answer."""
    return APIError(code=code, description=description)
