"""
One membership of a group: a pull open on every partition of its topics, and the server picks the owner.

What to do for a partition is decided in `lane` and done by the `Attendant`. A membership has a connection
of its own, so that giving it up and starting again (a client is rebuilt, never repaired) touches nobody
else.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence

from nats import errors
from nats.aio.subscription import Subscription as Inbox

from partita.backends.nats.attendant import Attendant
from partita.backends.nats.client import Connection
from partita.backends.nats.consumers import Durable
from partita.backends.nats.lane import Event, Lane
from partita.backends.nats.metadata import CommitMetadata
from partita.backends.nats.names import subject
from partita.backends.nats.pulls import OpenPulls
from partita.backends.nats.reading import Reading, refused
from partita.backends.nats.roll_call import RollCall
from partita.backends.nats.settings import NatsSetup
from partita.backends.nats.topics import Topics
from partita.core.errors import Closed, PartitaError
from partita.core.ports import AssignmentListener, Commit, Fetch, Membership, TopicPartition
from partita.core.views import BrokerView

RELIST_SECONDS = 30.0
# Room in a pull for what stands around a message of the largest size: subjects and the server's headers.
PULL_MARGIN = 64 * 1024
_log = logging.getLogger("partita.nats")


class NatsSubscription:
    """
    A member of a group.

    The listener is told of partitions from within `poll`, in the order in which things happened.

    Args:
        settings: where the servers are.
        membership: what it reads.
    """

    def __init__(self, settings: NatsSetup, membership: Membership) -> None:
        self._settings = settings
        self._membership = membership
        self._connection = Connection(settings, f"{membership.name} {membership.group}")
        self._topics = Topics(self._connection)
        self._attendant = Attendant(self._connection, self._relist_if_due)
        self._roll_call = RollCall(self._connection, membership.group, self._attendant)
        self._connection.on_disconnect.append(self._attendant.disconnected)
        self._connection.on_reconnect.append(self._attendant.reconnected)
        self._connection.on_closed.append(self._given_up)
        self._connection.on_fault = self._attendant.fail
        self._listener: AssignmentListener | None = None
        self._inbox: Inbox | None = None
        self._listed_at = 0.0
        self._settled = self._closed = False

    @property
    def readings(self) -> Sequence[Reading]:
        """The partitions of its topics, owned or not."""
        return self._attendant.readings

    def buffered(self, group: str, at: TopicPartition) -> int:
        """Messages of a partition of this group that have come and were not handed over."""
        found = self._attendant.find(subject(*at)) if group == self._membership.group else None
        return len(found.lane.buffer) if found is not None else 0

    async def start(self, listener: AssignmentListener) -> None:
        """
        Connect and open a pull on each partition; assignments follow when there are messages.

        Raises:
            TopicMissing: a topic of the membership does not exist.
            SettingsError: the server cannot do what is needed.
            nats.errors.Error: the client's own error.
        """
        self._listener = listener
        await self._connection.open()
        prefix = self._connection.new_inbox()
        self._inbox = await self._connection.subscribe(f"{prefix}.>", self._attendant.deliver)
        await self._roll_call.answer()
        for topic in sorted(self._membership.topics):
            await self._join(topic, (await self._topics.layout(topic)).partitions)
        await self._join_matching()
        self._attendant.start()

    async def _join_matching(self) -> None:
        self._listed_at = self._attendant.now()
        if not self._membership.patterns:
            return
        for topic, partitions in sorted((await self._topics.listed()).items()):
            if any(pattern.fullmatch(topic) for pattern in self._membership.patterns):
                await self._join(topic, partitions)

    async def _join(self, topic: str, partitions: int) -> None:
        for number in range(partitions):
            if self._attendant.find(subject(topic, number)) is None:
                await self._add(TopicPartition(topic, number))

    async def _add(self, at: TopicPartition) -> None:
        membership = self._membership
        durable = Durable(self._connection, at, membership.group, temporary=membership.temporary)
        pin_timeout = await durable.ensure(self._membership.start, self._settings.pin_timeout)
        lane = Lane(OpenPulls(self._connection.max_payload + PULL_MARGIN, pin_timeout))
        assert self._inbox is not None  # made at the start
        inbox = f"{self._inbox.subject.removesuffix('.>')}.{len(self.readings)}"
        metadata = CommitMetadata(self._connection, at, self._membership.group)
        self._attendant.add(Reading(at, durable, lane, metadata, inbox))

    def _relist_if_due(self) -> None:
        now = self._attendant.now()
        if self._membership.patterns and now - self._listed_at > RELIST_SECONDS:
            self._listed_at = now
            self._attendant.spawn(self._relist())

    async def _relist(self) -> None:
        try:
            await self._join_matching()
        except errors.Error as error:
            _log.warning("the topics could not be listed: %s; tried again", type(error).__name__)
        except PartitaError as error:
            self._attendant.fail(error)

    def _given_up(self) -> None:
        self._attendant.fail(self._connection.error)

    async def poll(self, closed: Collection[TopicPartition], timeout: float) -> Sequence[Fetch]:
        """
        What has arrived for the partitions not in *closed*; waits up to *timeout* seconds for it.

        Raises:
            Closed: the subscription was closed.
            nats.errors.Error: the client's own error; close this and build a new one.
        """
        fetches = self._collect(closed)
        if not fetches:
            news = self._attendant.news
            news.clear()
            timer = asyncio.get_running_loop().call_later(timeout, news.set)
            await news.wait()
            timer.cancel()
            fetches = self._collect(closed)
        return fetches

    def _collect(self, closed: Collection[TopicPartition]) -> Sequence[Fetch]:
        if self._closed:
            raise Closed("this subscription is closed")
        if self._attendant.error is not None:
            raise self._attendant.error
        self._tell()
        fetches = []
        for reading in self.readings:
            if reading.lane.buffer and reading.at not in closed:
                fetches.append(reading.hand_over())
                self._attendant.stir(reading)
        return fetches

    def _tell(self) -> None:
        assert self._listener is not None  # poll comes after start
        for reading in self.readings:
            while reading.lane.events:
                event = reading.lane.events.popleft()
                if event is Event.ASSIGNED:
                    self._listener.assigned([reading.at])
                else:
                    self._listener.lost([reading.at])
                    self._settled = False
        if not self._settled:
            # The server gives partitions out when there are messages in them: what is had now is the share.
            self._settled = True
            self._listener.assigned(())

    async def commit(self, commits: Mapping[TopicPartition, Commit]) -> Mapping[TopicPartition, Exception]:
        """Acknowledge up to the offsets; returns the client's error for each that was not stored."""
        results = await asyncio.gather(*[self._commit(at, commit) for at, commit in commits.items()])
        return {at: error for at, error in zip(commits, results, strict=True) if error is not None}

    async def committed(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, Commit]:
        """
        What the group has stored; the offset of a commit without metadata is that after the floor.

        Raises the client's own error.
        """
        found = [reading for at in partitions if (reading := self._attendant.find(subject(*at)))]
        commits = await asyncio.gather(*[reading.committed() for reading in found])
        return {each.at: commit for each, commit in zip(found, commits, strict=True) if commit is not None}

    async def begin(
        self, starts: Mapping[TopicPartition, Commit]
    ) -> Mapping[TopicPartition, int | Exception]:
        """Store what the assignments start from; the fence is a number that the server gives out."""
        answers = await asyncio.gather(*[self._begin(at, commit) for at, commit in starts.items()])
        return dict(zip(starts, answers, strict=True))

    def skip(self, partition: TopicPartition, offset: int) -> None:
        """Nothing: the server hands out from its floor, and takes nothing back in good order before."""

    async def _begin(self, at: TopicPartition, commit: Commit) -> int | Exception:
        reading = self._attendant.find(subject(*at))
        if reading is None:
            return refused(404, f"{at} is not read by this member")
        try:
            return await reading.begin(commit, self._attendant.now())
        except errors.Error as error:
            return error

    async def _commit(self, at: TopicPartition, commit: Commit) -> Exception | None:
        reading = self._attendant.find(subject(*at))
        if reading is None:
            return refused(404, f"{at} is not read by this member")
        try:
            await reading.commit(self._connection, commit, self._attendant.now())
        except errors.Error as error:
            return error
        finally:
            self._attendant.stir(reading)
        return None

    async def unread(self) -> Mapping[TopicPartition, int]:
        """
        Messages that this member should still be handed.

        A partition that another living member has counts as 0. Raises the client's own error.
        """
        readings = list(self.readings)
        counts = await asyncio.gather(*[each.unread(self._roll_call.is_alive) for each in readings])
        return {each.at: count for each, count in zip(readings, counts, strict=True)}

    async def view(self) -> BrokerView:
        """How the server sees this member: the pins of its partitions, and what is left in each."""
        readings = list(self.readings)
        seen = await asyncio.gather(*[each.seen(self._roll_call.is_alive) for each in readings])
        found = list(zip((each.at for each in readings), seen, strict=True))
        return BrokerView(
            settled=True,
            owned=frozenset(at for at, (ours, _, _) in found if ours),
            orphans=frozenset(at for at, (_, nobodys, _) in found if nobodys),
            unread={at: left for at, (_, _, left) in found},
        )

    async def close(self) -> None:
        """Give every partition away, so that another member has it at once, and disconnect."""
        self._closed = True
        await self._attendant.stop()
        if self._connection.connected and self._inbox is not None:
            self._attendant.spawn(self._leave(self._inbox))
            await self._attendant.settle()
        await self._connection.close()

    async def _leave(self, inbox: Inbox) -> None:
        try:
            # The server forgets our pulls, so that nothing more is pinned to us; what it had sent before
            # still comes, and with it the ids of pins that are ours.
            await inbox.drain()  # type: ignore[no-untyped-call] # nats-py 2.16 leaves it unannotated
        except errors.Error as error:
            _log.warning("the pulls could not be taken back: %s", type(error).__name__)
        await asyncio.gather(*[self._release(reading) for reading in self.readings])

    async def _release(self, reading: Reading) -> None:
        try:
            if not reading.lane.lapsed(self._attendant.now()):
                await reading.durable.release(unfinished=len(reading.lane.deliveries) > 0)
            else:
                await reading.release_unseen(self._roll_call.is_alive)
        except errors.Error as error:
            # The server gives the partition away by itself once the pin times out.
            _log.warning("%s could not be given away: %s", reading.at, type(error).__name__)
