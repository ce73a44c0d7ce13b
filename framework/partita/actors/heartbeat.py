"""
The heartbeat: publishes a record now and then, fetches it again, and so knows that messages pass.

It reads as the one member of a group of its own, so that it takes nothing from anybody. Its two halves
are restarted for as long as it takes; what is wrong shows in its health and ends nothing else.
"""

import asyncio
import uuid
from collections.abc import Callable, Collection, Iterable

import anyio

from partita.actors.supervisor import Supervisor
from partita.core.health import describe
from partita.core.ports import (
    Commit,
    Membership,
    Outgoing,
    Publisher,
    RecordReader,
    Subscription,
    TopicPartition,
)
from partita.core.pulse import Pulse
from partita.core.restarts import FailureKind, Supervision

POLL_SECONDS = 1.0
CLOSE_SECONDS = 15.0
PREFIX = b"partita heartbeat"


class Heartbeat:
    """
    Beats through one topic.

    Args:
        topic: what the records go through; nothing else should.
        pulse: judges them.
        publisher: publishes them.
        subscribe: makes a new client-side subscription for each start.
        reader: reads the client's records.
    """

    def __init__(
        self,
        topic: str,
        pulse: Pulse,
        publisher: Publisher,
        subscribe: Callable[[Membership], Subscription],
        reader: RecordReader,
    ) -> None:
        self.pulse = pulse
        self._topic, self._publisher, self._subscribe = topic, publisher, subscribe
        self._value = reader.value
        # Others may beat through the same topic.
        self._id = uuid.uuid4().hex[:12].encode()
        self._assigned = asyncio.Event()
        self._supervisor = Supervisor("heartbeat", Supervision(), lambda name, error: FailureKind.TRANSPORT)
        self._supervisor.add("heartbeat reader", self._read)
        self._supervisor.add("heartbeat sender", self._send)

    async def run(self) -> None:
        """Beat until stopped."""
        await self._supervisor.run()

    def stop(self) -> None:
        """Leave; `run` returns then."""
        self._supervisor.stop()

    async def _send(self) -> None:
        clock, pulse = asyncio.get_running_loop().time, self.pulse
        while True:
            # What is published while the reader has no place is not fetched; silence is red as well.
            await self._assigned.wait()
            due = clock() + pulse.interval
            number = pulse.send(clock())
            try:
                beat = Outgoing(b"%s %s %d" % (PREFIX, self._id, number))
                await self._publisher.publish(self._topic, beat)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what the health tells
                pulse.refuse(number, describe(error), clock())
            else:
                pulse.acknowledge(number)
            await asyncio.sleep(max(0.0, due - clock()))

    async def _read(self) -> None:
        group = f"partita-heartbeat-{self._id.decode()}"
        membership = Membership(
            group, frozenset({self._topic}), start="latest", name="partita-heartbeat", temporary=True
        )
        subscription = self._subscribe(membership)
        try:
            await subscription.start(self)
            while True:
                fetches = await subscription.poll((), POLL_SECONDS)
                for fetch in fetches:
                    self._take(fetch.records)
                if fetches:
                    # A broker hands out only so much that is not committed.
                    await subscription.commit({each.partition: Commit(each.end_offset) for each in fetches})
        finally:
            # The group still counts this member and its sockets are open: leaving is finished even when
            # this task is cancelled, within a deadline.
            with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                await subscription.close()

    def _take(self, records: Iterable[object]) -> None:
        now = asyncio.get_running_loop().time()
        for record in records:
            prefix, _, number = (self._value(record) or b"").rpartition(b" ")
            if prefix == b"%s %s" % (PREFIX, self._id) and number.isdigit():
                self.pulse.take(int(number), now)

    def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """The reader is in its place; a broker may name its partitions only when they hold something."""
        self._assigned.set()

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """The reader has no place until it is told the next one."""
        self._assigned.clear()

    def lost(self, partitions: Collection[TopicPartition]) -> None:
        """The same."""
        self._assigned.clear()
