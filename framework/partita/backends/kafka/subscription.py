"""One membership of a Kafka group: the poll, the commits and what is left to read."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaTimeoutError

from partita.backends.kafka import client
from partita.backends.kafka.rebalance import Matcher, Ownership, RebalanceForwarder
from partita.backends.kafka.settings import KafkaSettings
from partita.core.errors import Closed, TopicMissing
from partita.core.ports import AssignmentListener, Fetch, Membership, TopicPartition

T = TypeVar("T")
# Asking for this keeps the client's poll clock going while nothing is wanted; asking for no partition
# would hand out all there is.
NOBODY = KafkaPartition("-", -1)
_SHORTEST_WAIT = 0.002  # seconds; the client counts in milliseconds
_METADATA_TRIES, _METADATA_PAUSE = 3, 0.2


class KafkaSubscription:
    """
    One member of a group, over a consumer of its own.

    Args:
        settings: servers, options and deadlines.
        membership: what it reads.
        on_close: called once, when it has closed.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        membership: Membership,
        on_close: Callable[["KafkaSubscription"], None] = lambda _: None,
    ) -> None:
        self.membership = membership
        self._settings = settings
        self._on_close = on_close
        self._consumer: client.Client | None = None
        self._closed = asyncio.Event()
        self._owned = Ownership()
        self._calls: set[asyncio.Task[Any]] = set()
        self._fetching: asyncio.Task[tuple[int, list[Fetch]]] | None = None
        self._held: tuple[int, list[Fetch]] = (0, [])
        self._committing: asyncio.Task[None] | None = None

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
        client.probe()
        consumer = client.make(AIOKafkaConsumer, **self._settings.consumer(self.membership))
        await client.start(consumer, self._settings.deadlines.start)
        try:
            await self._check_topics(consumer)
        except BaseException:
            # Also when cancelled: the consumer is connected, and nobody else knows of it.
            client.leave(client.begin(client.end(consumer, self._settings.deadlines.close)))
            raise
        self._consumer = consumer
        self._join(consumer, listener)

    async def _check_topics(self, consumer: client.Client) -> None:
        missing = set(self.membership.topics)
        for attempt in range(_METADATA_TRIES):
            if attempt:
                await asyncio.sleep(_METADATA_PAUSE)
            # All topics are asked for: a request that names one makes it, if the broker permits (K27).
            missing -= await self._bounded(consumer.topics())
            if not missing:
                return
        raise TopicMissing(min(missing))

    def _join(self, consumer: client.Client, listener: AssignmentListener) -> None:
        rebalance_timeout = self._settings.consumer(self.membership)["rebalance_timeout_ms"] / 1000
        forwarder = RebalanceForwarder(
            self._owned, listener, lambda: client.is_member(consumer), rebalance_timeout
        )
        if self.membership.patterns:
            client.subscribe_matching(consumer, Matcher(self.membership), forwarder)
        else:
            consumer.subscribe(sorted(self.membership.topics), listener=forwarder)

    async def poll(self, closed: Collection[TopicPartition], timeout: float) -> Sequence[Fetch]:
        """
        What has arrived for the partitions not in *closed*; waits up to *timeout* seconds for it.

        Raises:
            Closed: the subscription is not open.
            Exception: the client's own error; close this subscription then.
        """
        consumer, loop = self._running(), asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while not (at_hand := self._take_held(closed)) and not self._closed.is_set():
            remaining = max(0.0, deadline - loop.time())
            if self._fetching is None:
                self._fetching = self._call(self._fetch(consumer, frozenset(closed), remaining))
            # During a rebalance the client's poll outlives its timeout (K14): the next poll waits for
            # the same one. It is never cancelled while the client lives (K13).
            if not await client.ended(self._fetching, remaining) or self._fetching is None:
                return ()
            task, self._fetching = self._fetching, None
            if task.cancelled():
                return ()
            self._held = task.result()
            if remaining < _SHORTEST_WAIT:
                return self._take_held(closed)
        return at_hand

    async def _fetch(
        self, consumer: client.Client, closed: Collection[TopicPartition], timeout: float
    ) -> tuple[int, list[Fetch]]:
        """One poll of the client, and the epoch that it belongs to."""
        client.check(consumer)
        wanted = [KafkaPartition(*each) for each in self._owned.partitions if each not in closed]
        found = await consumer.getmany(*(wanted or (NOBODY,)), timeout_ms=int(timeout * 1000))
        # Nothing below waits, so that records, positions and epoch belong together.
        fetches = [
            Fetch(TopicPartition(*at), records, await consumer.position(at), _size(records))
            for at, records in found.items()
        ]
        return self._owned.epoch, fetches

    def _take_held(self, closed: Collection[TopicPartition]) -> list[Fetch]:
        """What is at hand and wanted: a partition may have closed, or gone, since it was asked for."""
        epoch, fetches = self._held
        if epoch != self._owned.epoch:
            fetches = []  # whoever owns the partition now reads on from the committed offset
        self._held = epoch, [fetch for fetch in fetches if fetch.partition in closed]
        return [fetch for fetch in fetches if fetch.partition not in closed]

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, Exception]:
        """
        Store the next offsets to read; returns the client's error for each that may not be stored.

        A commit that takes longer than the request deadline goes on, and until it ends no other begins.
        """
        consumer, seconds = self._running(), self._settings.deadlines.request
        while (earlier := self._committing) is not None and not earlier.done():
            if not await client.ended(earlier, seconds):
                unsent = KafkaTimeoutError("an earlier commit is not answered yet")
                return dict.fromkeys(offsets, unsent)
        alive = client.is_member(consumer)
        owned = {a: offset for a, offset in offsets.items() if alive and a in self._owned.partitions}
        errors: dict[TopicPartition, Exception] = {
            at: CommitFailedError() for at in offsets if at not in owned
        }
        if owned:
            self._committing = self._call(client.commit(consumer, owned))
            # The client names one error for the whole request: none of it counts as stored.
            error = await self._outcome(self._committing, seconds)
            if error is not None:
                errors |= dict.fromkeys(owned, error)
        return errors

    async def _outcome(self, commit: asyncio.Task[None], seconds: float) -> Exception | None:
        if not await client.ended(commit, seconds) or commit.cancelled():
            return KafkaTimeoutError(
                f"no answer to a commit within {seconds:g} s; whether it was stored is unknown"
            )
        error = commit.exception()
        return error if error is None or isinstance(error, Exception) else RuntimeError(repr(error))

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
                behind = await self._bounded(self._behind(consumer))
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
        waiting = self._not_handed_out()
        return {
            each: max(0, ends[at] - await consumer.position(at)) + waiting.get(each, 0)
            for each, at in partitions.items()
        }

    def _not_handed_out(self) -> Mapping[TopicPartition, int]:
        """Messages that the client has handed to us and we have not handed on."""
        found = [self._held]
        task = self._fetching
        if task is not None and task.done() and not task.cancelled() and not task.exception():
            found.append(task.result())
        waiting: dict[TopicPartition, int] = {}
        for epoch, fetches in found:
            for fetch in fetches if epoch == self._owned.epoch else ():
                waiting[fetch.partition] = sum(1 for _ in fetch.records)
        return waiting

    async def close(self) -> None:
        """Leave the group and close both connections, within the close deadline. Does not raise."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._owned.drop()
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await client.end(consumer, self._settings.deadlines.close)
        for task in list(self._calls):
            # The client has ended: nothing else would end these (K14, aiokafka 0.14).
            task.cancel()
        self._on_close(self)

    def _running(self) -> client.Client:
        if self._consumer is None or self._closed.is_set():
            raise Closed("this subscription is not open")
        return self._consumer

    def _call(self, call: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin a call of the client's, which ends with the client at the latest."""
        task = client.begin(call)
        self._calls.add(task)
        task.add_done_callback(self._call_ended)
        return task

    def _call_ended(self, task: asyncio.Task[Any]) -> None:
        self._calls.discard(task)
        if self._closed.is_set() and not task.cancelled():
            task.exception()  # nobody asks for it after a close

    async def _bounded(self, call: Coroutine[Any, Any, T]) -> T:
        seconds = self._settings.deadlines.request
        task = self._call(call)
        if not await client.ended(task, seconds):
            client.leave(task)
            raise KafkaTimeoutError(f"no answer within {seconds:g} s")
        return task.result()


def _size(records: Sequence[Any]) -> int:
    """Bytes of keys and values; the client says -1 for a null one."""
    return sum(
        max(record.serialized_key_size, 0) + max(record.serialized_value_size, 0) for record in records
    )
