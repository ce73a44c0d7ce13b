"""Which partition a message goes to, and how the messages of a partition are cut into batches."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any, Protocol

import attrs
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from partita.core.errors import MessageTooLarge, SettingsError
from partita.core.figures import Published
from partita.core.ports import Outgoing, Receipt

_BYTES = (bytes, bytearray, memoryview)
UNKNOWN = 2**31  # bytes; more than any broker takes
_CACHED_KEYS = 65_536
_murmur2: Callable[[bytes], int] = murmur2
_estimate: Callable[[bytes | None, bytes | None, Any], int] = DefaultRecordBatchBuilder.estimate_size_in_bytes


class Builder(Protocol):
    """The client's open batch."""

    def append(
        self,
        *,
        timestamp: int | None,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]],
    ) -> object | None:
        """Add a message; None when it does not fit any more."""
        ...


@attrs.define(eq=False)
class Sending:
    """
    One message on its way.

    Args:
        value: the payload.
        key: its key.
        headers: name and bytes pairs.
        timestamp: milliseconds since 1970.
        partition: where the caller wants it; None: anywhere.
        size: bytes as the client counts them, an upper bound.
        due: loop time in seconds at which it is given up when its turn has not come.
        receipt: what the caller waits for.
    """

    value: bytes | None
    key: bytes | None
    headers: list[tuple[str, bytes]]
    timestamp: int
    partition: int | None
    size: int
    due: float
    receipt: asyncio.Future[Receipt]

    def fail(self, error: BaseException) -> None:
        """Tell the caller, if it still waits."""
        if not self.receipt.done():
            self.receipt.set_exception(error)


def fail_each(sendings: Sequence[Sending], error: BaseException) -> None:
    """Each caller gets the client's error; copies beyond the first, or tracebacks would pile up in one."""
    for index, each in enumerate(sendings):
        each.fail(copy(error) if index and isinstance(error, KafkaError) else error)


@attrs.define(eq=False)
class Mark:
    """A place in a queue; *reached* is set when all before it is acknowledged or has failed."""

    reached: asyncio.Future[None]

    def reach(self) -> None:
        """Tell whoever still waits for it."""
        if not self.reached.done():
            self.reached.set_result(None)


@attrs.define(eq=False)
class Slot:
    """
    One partition of a topic: its messages in order, of which one batch at a time is sent.

    Attributes:
        queue: what waits, with marks between.
        queued: bytes of the messages that wait.
        sending: whether somebody works on the queue.
        singly: so many messages are sent each in a batch of its own, as the broker refused theirs.
    """

    number: int
    queue: deque[Sending | Mark] = attrs.field(factory=deque)
    queued: int = 0
    sending: bool = False
    singly: int = 0

    def put(self, item: Sending | Mark) -> None:
        """Add to the end."""
        self.queue.append(item)
        if isinstance(item, Sending):
            self.queued += item.size

    def put_back(self, sendings: Sequence[Sending]) -> None:
        """Return what was taken and not sent to its place at the head."""
        self.queue.extendleft(reversed(sendings))
        self.queued += sum(each.size for each in sendings)

    def clear(self) -> Sequence[Sending]:
        """Empty the queue; returns its messages. Marks in it are reached."""
        items, self.queued = list(self.queue), 0
        self.queue.clear()
        for item in items:
            if isinstance(item, Mark):
                item.reach()
        return [item for item in items if isinstance(item, Sending)]

    def cut(self, builder: Builder, limit: int, now: float) -> tuple[Sequence[Sending], Sequence[Sending]]:
        """
        Fill a batch from the head of the queue.

        Args:
            builder: takes the messages.
            limit: bytes of a batch; one larger message is a batch of its own.
            now: loop time in seconds.

        Returns:
            The messages in the batch, and those that waited for too long and are in none.
        """
        taken: list[Sending] = []
        late: list[Sending] = []
        room = limit
        while (head := self._head(bool(taken))) is not None:
            if head.due <= now:
                late.append(head)
            elif (taken and head.size > room) or not _append(builder, head):
                break
            else:
                taken.append(head)
                room = 0 if self.singly else room - head.size
            self.queue.popleft()
            self.queued -= head.size
        self.singly = max(0, self.singly - 1)
        return taken, late

    def _head(self, in_batch: bool) -> Sending | None:
        """The next message; a mark before it is reached when nothing that it follows is in the batch."""
        while self.queue:
            head = self.queue[0]
            if isinstance(head, Sending):
                return head
            if in_batch:
                return None
            self.queue.popleft()
            head.reach()
        return None


def _append(builder: Builder, each: Sending) -> bool:
    added = builder.append(timestamp=each.timestamp, key=each.key, value=each.value, headers=each.headers)
    return added is not None


@attrs.define(eq=False)
class Slots:
    """
    The partitions of one topic, and the choice between them.

    Args:
        topic: whose they are.
        batch_bytes: where batches are cut; a keyless message goes on when so much waits at its partition.
        published: what is counted.

    Attributes:
        largest: bytes of the largest message that the topic is known to take.
    """

    topic: str
    batch_bytes: int
    published: Published = attrs.field(factory=Published)
    largest: int = UNKNOWN
    slots: list[Slot] = attrs.field(factory=list)
    _sticky: int = 0
    _keys: dict[bytes, int] = attrs.field(factory=dict)

    def stored(self, slot: Slot, sendings: Sequence[Sending], begun: float) -> None:
        """Count messages that are acknowledged; *begun* less the time at which one is due is its wait."""
        sent = self.published.to(self.topic, slot.number)
        sent.count(len(sendings), sum([len(each.key or b"") + len(each.value or b"") for each in sendings]))
        sent.waits.recent += [begun - each.due for each in sendings]
        sent.waits.relieve()

    def unlearn(self) -> None:
        """The topic may take larger messages by now: let the broker say."""
        self.largest = UNKNOWN

    def grow(self, partitions: int) -> None:
        """Make room for partitions that were added to the topic."""
        if partitions > len(self.slots):
            self._keys.clear()
            self.slots += [Slot(number) for number in range(len(self.slots), partitions)]

    def forget(self) -> Sequence[Sending]:
        """No partition is known any more; returns the messages that waited at those there were."""
        slots, self.slots, self._sticky = self.slots, [], 0
        self._keys.clear()
        return [each for slot in slots for each in slot.clear()]

    def choose(self, partition: int | None, key: bytes | None) -> Slot:
        """
        The caller's partition; else the key's, as the client's own partitioner has it; else the one
        whose batch is open.

        Raises:
            SettingsError: the topic has no such partition.
        """
        if partition is not None:
            if not 0 <= partition < len(self.slots):
                raise SettingsError(
                    f"{self.topic!r} has partitions 0 to {len(self.slots) - 1}, not {partition}"
                )
            return self.slots[partition]
        if key is not None:
            return self.slots[self._of_key(key)]
        slot = self.slots[self._sticky]
        if slot.queued >= self.batch_bytes:
            self.move_on(slot)
            slot = self.slots[self._sticky]
        return slot

    def _of_key(self, key: bytes) -> int:
        number = self._keys.get(key)
        if number is None:
            if len(self._keys) >= _CACHED_KEYS:
                self._keys.clear()
            number = self._keys[key] = (_murmur2(key) & 0x7FFFFFFF) % len(self.slots)
        return number

    def move_on(self, slot: Slot) -> None:
        """The batch at *slot* was cut: keyless messages go to the next partition from here on."""
        if slot.number == self._sticky:
            self._sticky = (self._sticky + 1) % max(1, len(self.slots))


def prepare(
    topic: str, message: Outgoing, limit: int, now_ms: Callable[[], int], due: float
) -> Callable[[asyncio.Future[Receipt]], Sending]:
    """
    Check a message before anything of it is sent.

    Args:
        limit: bytes of the largest message that is sent.
        now_ms: tells the milliseconds since 1970, for a message without a timestamp.
        due: when to give it up, in seconds of loop time.

    Raises:
        MessageTooLarge: it is above *limit*; a batch that the broker refuses would make the idempotent
            producer useless for its partition (aiokafka 0.14).
        TypeError: key, value or a header is not of the type that the wire takes.
    """
    key, value, headers = _raw(message.key), _raw(message.value), list(message.headers)
    for name, content in headers:
        if not isinstance(name, str) or _raw(content) is None:
            raise TypeError(f"headers are pairs of str and bytes, not {type(content).__name__}")
    size = _estimate(key, value, headers)
    if size > limit:
        raise MessageTooLarge(topic, size, limit)
    timestamp = now_ms() if message.timestamp is None else message.timestamp
    if type(timestamp) is not int or not 0 <= timestamp < 2**63:
        raise SettingsError(f"a timestamp is in milliseconds since 1970, not {timestamp!r}")
    return lambda receipt: Sending(value, key, headers, timestamp, message.partition, size, due, receipt)


def _raw(content: object) -> bytes | None:
    """The bytes themselves: what waits in a queue must not change under the caller's hands."""
    if content is None or type(content) is bytes:
        return content
    if not isinstance(content, _BYTES):
        raise TypeError(f"keys and values are bytes or None, not {type(content).__name__}")
    return bytes(content)
