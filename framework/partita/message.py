"""What a handler sees of a message, and what a publisher gets back."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Generic, Unpack, cast

import attrs

from partita.codecs.codec import payload_of
from partita.core.leases import NOBODYS, Lease
from partita.core.ports import Headers, MessageOptions, Outgoing, Receipt, RecordReader

__all__ = ["Context", "Delivery", "Message", "Outgoing", "Receipt"]

if TYPE_CHECKING:
    # A type parameter with a default (PEP 696) needs Python 3.13; type checkers bring their own.
    from typing_extensions import TypeVar

    S = TypeVar("S", default=object)
else:
    from typing import TypeVar

    S = TypeVar("S")

_log = logging.getLogger("partita.handler")


class Message:
    """
    A view of the client's own record with the same names on every backend. Nothing is copied.

    Attributes:
        raw: the client's record itself.
    """

    __slots__ = ("_reader", "raw")

    def __init__(self, raw: object, reader: RecordReader) -> None:
        self.raw = raw
        self._reader = reader

    @property
    def topic(self) -> str:
        """The topic, under the name it was published to."""
        return self._reader.topic(self.raw)

    @property
    def partition(self) -> int:
        """The partition's number, from 0."""
        return self._reader.partition(self.raw)

    @property
    def offset(self) -> int:
        """The place in the partition; it only grows, with gaps. On NATS: the stream sequence."""
        return self._reader.offset(self.raw)

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970."""
        return self._reader.timestamp(self.raw)

    @property
    def key(self) -> bytes | None:
        """The key, or None."""
        return self._reader.key(self.raw)

    @property
    def value(self) -> bytes | None:
        """The payload; None is a null value, which empty bytes are not."""
        return self._reader.value(self.raw)

    @property
    def headers(self) -> Headers:
        """Name and bytes pairs in the order they were sent, duplicates kept."""
        return self._reader.headers(self.raw)

    def __repr__(self) -> str:
        return f"<Message {self.topic}/{self.partition}@{self.offset}>"


PublishFunction = Callable[[str, Outgoing], Awaitable[Receipt]]


@attrs.frozen(eq=False)
class Scope:
    """What all messages of one route share: group, lifespan state, and how to publish."""

    group: str
    state: object
    publish: PublishFunction


# Under which lease the call in hand was begun. A middleware may hold a call while its partition goes and
# comes back, so what a handler is told must not be looked up when its turn comes.
LEASE: ContextVar[Lease] = ContextVar("partita.lease", default=NOBODYS)


class Context(Generic[S]):
    """
    Where a message comes from and what its handler may use. `Context[Pool]` says what `state` is.

    Attributes:
        attempt: which attempt this is, from 1.
    """

    __slots__ = ("_lease", "_reader", "_record", "_scope", "attempt")

    def __init__(self, record: object, reader: RecordReader, scope: Scope, attempt: int) -> None:
        self._record, self._reader, self._scope = record, reader, scope
        self._lease = LEASE.get()
        self.attempt = attempt

    @property
    def topic(self) -> str:
        """The topic, under the name it was published to."""
        return self._reader.topic(self._record)

    @property
    def partition(self) -> int:
        """The partition's number, from 0."""
        return self._reader.partition(self._record)

    @property
    def offset(self) -> int:
        """The place in the partition."""
        return self._reader.offset(self._record)

    @property
    def key(self) -> bytes | None:
        """The key, or None."""
        return self._reader.key(self._record)

    @property
    def group(self) -> str:
        """The consumer group that this handler reads in."""
        return self._scope.group

    @property
    def state(self) -> S:
        """What the router's lifespan yielded; None without one."""
        return cast("S", self._scope.state)  # what the lifespan yields is the user's word

    @property
    def fence(self) -> int:
        """
        A number that is greater than that of every earlier assignment of this partition in the group, in
        whichever process: what a store of your own needs to refuse a former owner. On Kafka the group's
        generation, on NATS a number that the server gives out for the assignment.
        """
        return self._lease.fence

    def still_mine(self) -> bool:
        """
        Whether the assignment that this message came with holds, as far as this process knows.

        False: what the handler does from now on is not counted, and another owner handles the message. True
        is no proof, as a process that was stopped for a while learns of its loss late; `fence` is for that.
        """
        return self._lease.may_commit

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose records carry topic, partition, offset, group and attempt."""
        where = {
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "group": self.group,
            "attempt": self.attempt,
        }
        return logging.LoggerAdapter(_log, where)

    async def publish(self, topic: str, value: object, **options: Unpack[MessageOptions]) -> Receipt:
        """Publish on the bus this message came from, and wait for the broker; see `EventBus.publish`."""
        return await self._scope.publish(topic, Outgoing(payload_of(value), **options))


class Delivery:
    """A message under way. `await` it for the receipt, or the client's own error."""

    __slots__ = ("_claim", "_receipt")

    def __init__(self, receipt: asyncio.Future[Receipt], claim: Callable[[], None]) -> None:
        self._receipt = receipt
        self._claim = claim

    def __await__(self) -> Generator[object, None, Receipt]:
        self._claim()
        # A waiter that is cancelled does not take the message back.
        return asyncio.shield(self._receipt).__await__()
