"""One membership of a Kafka group: the poll, the commits and what is left to read."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence

import attrs
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import IllegalStateError, KafkaError, KafkaTimeoutError

from partita.backends.kafka import client, coordination, memory
from partita.backends.kafka.calls import Calls, begin, ended, leave
from partita.backends.kafka.denials import reading
from partita.backends.kafka.fetch_errors import pause_after_errors
from partita.backends.kafka.held import Held
from partita.backends.kafka.laziness import is_possible
from partita.backends.kafka.offsets import Commits
from partita.backends.kafka.probing import probe
from partita.backends.kafka.reading import Reading, reading_of
from partita.backends.kafka.rebalance import Matcher, Ownership, RebalanceForwarder
from partita.backends.kafka.rivals import Rivals
from partita.backends.kafka.settings import KafkaSetup
from partita.backends.kafka.views import GroupViews
from partita.core.errors import Closed, SettingsError, TopicMissing
from partita.core.ports import AssignmentListener, Commit, Fetch, Membership, TopicPartition
from partita.core.views import BrokerView

_SHORTEST_WAIT = 0.002  # seconds; the client counts in milliseconds
_METADATA_TRIES, _METADATA_PAUSE = 3, 0.2


class KafkaSubscription:
    """
    One member of a group, over a consumer of its own.

    Args:
        settings: servers, options and deadlines.
        membership: what it reads.
        views: how the broker sees it.
        on_close: called once, when it has closed.
    """

    def __init__(
        self,
        settings: KafkaSetup,
        membership: Membership,
        views: GroupViews,
        on_close: Callable[["KafkaSubscription"], None] = lambda _: None,
    ) -> None:
        self.membership = membership
        self._settings, self._views = settings, views
        self._on_close = on_close
        self._consumer: client.Client | None = None
        self._reading: Reading | None = None
        self._closed = asyncio.Event()
        self._owned = Ownership()
        self._epoch = self._owned.epoch
        self._calls = Calls(settings.deadlines.request)
        self._commits = Commits(self._owned, self._calls, settings.deadlines.request)
        self._fetching: asyncio.Task[tuple[int, Sequence[Fetch]]] | None = None
        self._held = Held(self._owned)
        self._session_timeout_ms = int(settings.consumer(membership)["session_timeout_ms"])
        self._rivals = Rivals(self._session_timeout_ms / 1000)

    @property
    def running_client(self) -> client.Client | None:
        """The client's own object, if there is one now."""
        return self._consumer

    async def start(self, listener: AssignmentListener) -> None:
        """
        Connect and join; assignments arrive through *listener*.

        Raises:
            Closed: it was closed already.
            TopicMissing: a topic of the membership does not exist. Nothing is made in its place.
            KafkaConnectionError: no broker could be reached within the start deadline.
            Exception: the client's own error.
        """
        if self._closed.is_set():
            raise Closed("this subscription is closed; take a new one")
        probe()
        memory.keep_freed()
        if self._settings.lazy:
            is_possible()  # from here on the client keeps what it fetches as it is
        consumer = client.build(
            AIOKafkaConsumer, self._settings.security, **self._settings.consumer(self.membership)
        )
        await client.start(consumer, self._settings.start_seconds)
        try:
            await self._check_topics(consumer)
            if self._closed.is_set():
                raise Closed("this subscription was closed while it started")
        except BaseException:
            # Also when cancelled: the consumer is connected, and nobody else knows of it.
            leave(begin(client.end(consumer, self._settings.deadlines.close)))
            raise
        coordination.heed_errors_of_the_group(consumer)
        pause_after_errors(consumer)
        coordination.tell_the_generation(consumer)
        self._consumer, self._reading = consumer, reading_of(consumer, self._settings)
        self._join(consumer, listener)

    async def _check_topics(self, consumer: client.Client) -> None:
        missing = set(self.membership.topics)
        for attempt in range(_METADATA_TRIES):
            if attempt:
                await asyncio.sleep(_METADATA_PAUSE)
            # All topics are asked for: a request that names one makes it, if the broker permits.
            missing -= await self._calls.answer(consumer.topics())
            if not missing:
                return
        raise TopicMissing(min(missing))

    def _join(self, consumer: client.Client, listener: AssignmentListener) -> None:
        rebalance_timeout = self._settings.rebalance_seconds
        forwarder = RebalanceForwarder(
            self._owned, listener, lambda: client.generation(consumer), rebalance_timeout, self._rivals
        )
        if self._settings.instance is not None:
            coordination.rejoin_unless(consumer, lambda: self._rivals.taken)
        if self.membership.patterns:
            client.subscribe_matching(consumer, Matcher(self.membership), forwarder)
        else:
            consumer.subscribe(sorted(self.membership.topics), listener=forwarder)

    async def poll(self, closed: Collection[TopicPartition], timeout: float) -> Sequence[Fetch]:
        """
        What has arrived for the partitions not in *closed*; waits up to *timeout* seconds for it.

        Raises:
            Closed: the subscription is not open.
            SettingsError: another member has joined under the same `group_instance_id`.
            Exception: the client's own error; close this subscription then.
        """
        consumer, loop = self._running(), asyncio.get_running_loop()
        if self._rivals.taken and self._settings.instance is not None:
            raise SettingsError(
                f"another member of the group {self.membership.group!r} has the same "
                f"group_instance_id={self._settings.instance!r}; give each member an id of its own"
            )
        deadline = loop.time() + timeout
        while not (at_hand := self._held.take(closed)) and not self._closed.is_set():
            remaining = max(0.0, deadline - loop.time())
            if self._fetching is None:
                self._fetching = self._calls.begin(self._fetch(consumer, frozenset(closed), remaining))
            # During a rebalance the client's poll outlives its timeout (aiokafka 0.14): the next poll waits
            # for the same one. It is never cancelled while the client lives.
            if not await ended(self._fetching, remaining) or self._fetching is None:
                return ()
            task, self._fetching = self._fetching, None
            if task.cancelled():
                return ()
            self._held.add(*task.result())
            if remaining < _SHORTEST_WAIT:
                return self._held.take(closed)
        return at_hand

    async def _fetch(
        self, consumer: client.Client, closed: Collection[TopicPartition], timeout: float
    ) -> tuple[int, Sequence[Fetch]]:
        """One poll of the client, and the epoch that it belongs to."""
        client.check(consumer)
        assert self._reading is not None  # it was made with the consumer
        if self._epoch != self._owned.epoch:
            self._epoch = self._owned.epoch
            self._reading.reassigned()
        wanted = [KafkaPartition(*each) for each in self._owned.partitions if each not in closed]
        with reading(self.membership.group), coordination.session_of(self._session_timeout_ms):
            fetches = await self._reading.fetch(wanted, timeout)
        # Nothing has been waited for since then, so that records, positions and epoch belong together.
        return self._owned.epoch, fetches

    async def commit(self, commits: Mapping[TopicPartition, Commit]) -> Mapping[TopicPartition, Exception]:
        """
        Store offsets and metadata; returns the client's error for each that may not be stored.

        A commit that takes longer than the request deadline goes on, and until it ends no other begins. A
        temporary group stores nothing: nobody would read it, and the broker would keep it for days.
        """
        if self.membership.temporary:
            return {}
        return await self._commits.store(self._running(), commits)

    async def committed(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, Commit]:
        """
        What the group has stored.

        Raises:
            Closed: the subscription is not open.
            KafkaTimeoutError: no answer within the request deadline.
            Exception: the client's own error.
        """
        return await self._calls.answer(client.committed(self._running(), partitions))

    async def begin(
        self, starts: Mapping[TopicPartition, Commit]
    ) -> Mapping[TopicPartition, int | Exception]:
        """
        Store what the assignments start from; the fence is the group's generation.

        Raises:
            Closed: the subscription is not open.
        """
        generation = self._owned.generation
        refused = await self._commits.store(self._running(), starts)
        return {at: refused.get(at, generation) for at in starts}

    def skip(self, partition: TopicPartition, offset: int) -> None:
        """Have the client fetch from *offset* on, unless the partition has just gone away."""
        if partition in self._owned.partitions and self._consumer is not None:
            try:
                self._consumer.seek(KafkaPartition(*partition), offset)
            except IllegalStateError:
                return  # the client knows already, and will tell us

    async def unread(self) -> Mapping[TopicPartition, int]:
        """
        Messages not handed out yet, for each partition of this member; empty when it has none.

        Waits for the first assignment and for the end of a rebalance. Markers of transactions count as
        messages until the client has passed them.

        Raises:
            Closed: the subscription is not open.
            KafkaTimeoutError: no assignment in force, or no answer, within the deadline.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.deadlines.assignment
        while (remaining := deadline - loop.time()) > 0:
            consumer = self._running()
            await self._owned.settled(remaining, self._closed)
            epoch = self._owned.epoch
            try:
                behind = await self._calls.answer(self._behind(consumer))
            except IllegalStateError:
                if epoch == self._owned.epoch:
                    raise
                continue  # a partition went away while it was looked at
            if epoch == self._owned.epoch and not client.is_rebalancing(consumer):
                return behind
            await asyncio.sleep(0.01)
        raise KafkaTimeoutError("the group had no assignment in force for long enough")

    async def _behind(self, consumer: client.Client) -> Mapping[TopicPartition, int]:
        partitions = {each: KafkaPartition(*each) for each in self._owned.partitions}
        for at in partitions.values():
            await consumer.position(at)  # waits until the committed offset has been read
        # Under read_committed the broker answers with the last stable offset: what a reader can reach.
        ends = await consumer.end_offsets(list(partitions.values()))
        task = self._fetching
        if task is not None and task.done() and not task.cancelled() and not task.exception():
            self._fetching = None
            self._held.add(*task.result())
        waiting = self._held.messages()
        return {
            each: max(0, ends[at] - await consumer.position(at)) + waiting.get(each, 0)
            for each, at in partitions.items()
        }

    async def view(self) -> BrokerView:
        """
        How the broker sees this member.

        Raises:
            Closed: the subscription is not open.
            Exception: the client's own error: the broker does not answer.
        """
        consumer = self._running()
        view = await self._views.of(self.membership, client.member_id(consumer))
        if client.is_rebalancing(consumer):
            return attrs.evolve(view, settled=False)
        try:
            unread = await self._calls.answer(self._behind(consumer))
            begins = await self._calls.answer(client.begins(consumer, unread))
            return attrs.evolve(view, unread=unread, begins=begins)
        except IllegalStateError:
            return attrs.evolve(view, settled=False)  # a partition went away while it was looked at
        except KafkaError:
            return attrs.evolve(view, unread=None)

    async def close(self) -> None:
        """Leave the group and close both connections, within the close deadline. Does not raise."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._owned.drop()
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await client.end(consumer, self._settings.deadlines.close)
        self._calls.end()
        self._on_close(self)

    def _running(self) -> client.Client:
        if self._consumer is None or self._closed.is_set():
            raise Closed("this subscription is not open")
        return self._consumer
