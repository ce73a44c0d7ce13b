"""
The seams: what a backend fills in and what the actors rely on, the same on every broker.

A partition is handed `(records, end_offset, size_bytes)`: an iterable that may be lazy, never a list that
it must own. Records are the client's own objects; a `RecordReader` reads them.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

# Where the seams are looked for, though they do not fit in here.
from partita.core.administration import NO_CONFIGS, Administrator
from partita.core.assignments import Commit as Commit
from partita.core.assignments import Fetch as Fetch
from partita.core.assignments import Membership as Membership
from partita.core.assignments import TopicPartition as TopicPartition
from partita.core.client_options import ClientOption as ClientOption
from partita.core.outgoing import MessageOptions as MessageOptions
from partita.core.outgoing import Outgoing as Outgoing
from partita.core.outgoing import Receipt as Receipt
from partita.core.publisher import Post as Post
from partita.core.publisher import Publisher as Publisher
from partita.core.publisher import QuickPublisher as QuickPublisher
from partita.core.records import Flaw as Flaw
from partita.core.records import Headers as Headers
from partita.core.records import RecordReader as RecordReader
from partita.core.records import WaryReader as WaryReader

if TYPE_CHECKING:
    from partita.core.extents import BacklogQuestion, GroupExtents
    from partita.core.views import BrokerView


class AssignmentListener(Protocol):
    """The three partition events, with one meaning on every backend."""

    def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """
        These partitions are this member's from now on, beside those that it has. Must not raise or wait.

        Also with none: the group has told this member its share, and it is nothing, or nothing yet.
        """
        ...

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """These go away in good order: returns when they are drained and committed, or at a deadline."""
        ...

    def lost(self, partitions: Collection[TopicPartition]) -> None:
        """These are somebody else's already: nothing may be committed for them any more."""
        ...


class Subscription(Protocol):
    """
    One membership at the broker. Only its owner calls it.

    The owner may be cancelled while it waits in a call. What the call has begun at the client then goes on
    to its end, because a client is not to be trusted after a cancellation.
    """

    async def start(self, listener: AssignmentListener) -> None:
        """
        Connect and join; assignments arrive through *listener*, possibly later.

        Raises:
            TopicMissing: a topic of the membership does not exist.
            Exception: the client's own error when the broker cannot be reached.
        """
        ...

    async def poll(self, closed: Collection[TopicPartition], timeout: float) -> Sequence[Fetch]:
        """
        What has arrived for the partitions not in *closed*; waits up to *timeout* seconds for it.

        Raises:
            Exception: the client's own error; this subscription is then to be closed and built anew.
        """
        ...

    async def commit(self, commits: Mapping[TopicPartition, Commit]) -> Mapping[TopicPartition, Exception]:
        """
        Store offsets and metadata; returns the client's error for each that was not stored.

        A broker that does not take the metadata stores the offset alone.
        """
        ...

    async def committed(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, Commit]:
        """
        What the group has stored; a partition that was never committed is left out.

        The offset is the one that the metadata belongs to. Takes a bounded time.

        Raises:
            Exception: the client's own error.
        """
        ...

    async def begin(
        self, starts: Mapping[TopicPartition, Commit]
    ) -> Mapping[TopicPartition, int | Exception]:
        """
        Store what each assignment starts from; returns its fence, or the client's error if it is not stored.

        A fence is a number that is greater than that of every earlier assignment of the partition in the
        group, whichever process it was. Comes after `committed` and before the first message is handled.
        """
        ...

    def skip(self, partition: TopicPartition, offset: int) -> None:
        """
        Hand out what is at *offset* and above: what is below is here already.

        A wish: what was under way may still come, and a broker may not be able to.
        """
        ...

    async def unread(self) -> Mapping[TopicPartition, int]:
        """
        Messages at the broker that this member should still be handed, for each partition it reads.

        Only says zero when nothing is left and nothing is under way. Raises the client's own error.
        """
        ...

    async def view(self) -> "BrokerView":
        """
        How the broker sees this member, asked over connections that there are already, in a bounded time.

        Raises:
            Exception: the client's own error: the broker does not answer, so that nothing can be said.
        """
        ...

    async def close(self) -> None:
        """Leave the group and close every connection. Takes a bounded time and does not raise."""
        ...


class Backend(Protocol):
    """Our code for one broker."""

    @property
    def system(self) -> str:
        """The name in telemetry: "kafka", "nats" or "memory"."""
        ...

    @property
    def address(self) -> str:
        """The broker's address as a URL without any secret."""
        ...

    @property
    def reader(self) -> RecordReader:
        """Reads this client's records."""
        ...

    @property
    def publisher(self) -> Publisher:
        """Sends messages."""
        ...

    @property
    def options(self) -> Sequence[ClientOption]:
        """The client's options as they are used, and where each comes from; secrets are masked."""
        ...

    @property
    def client(self) -> object:
        """The client's own objects, for what only they can do."""
        ...

    @property
    def rebalance_timeout(self) -> float | None:
        """Seconds after which the broker gives away what a member has not given up; None: it never asks."""
        ...

    async def open(self) -> None:
        """Connect. Raises the client's own error when the broker cannot be reached."""
        ...

    async def close(self) -> None:
        """Flush what was sent, within a bounded time, and close every connection."""
        ...

    def subscription(self, membership: Membership) -> Subscription:
        """A new member, not joined yet."""
        ...

    @property
    def administrator(self) -> Administrator:
        """Tells of topics and groups, and moves groups."""
        ...

    async def create_topic(
        self, topic: str, *, partitions: int, replication: int, configs: Mapping[str, str] = NO_CONFIGS
    ) -> None:
        """Make a topic. Raises the client's own error, also when it exists; SettingsError for its configs."""
        ...

    async def delete_topic(self, topic: str) -> None:
        """Delete a topic and what is in it. Raises TopicMissing."""
        ...

    async def list_topics(self) -> Mapping[str, int]:
        """Each topic's number of partitions, the broker's internal topics left out."""
        ...

    async def retention(self, topics: Collection[str]) -> Mapping[str, float]:
        """
        Seconds after which the broker deletes a message of a topic, handled or not.

        A topic whose messages have no such age, or of which the broker does not tell, is left out.
        Raises the client's own error.
        """
        ...

    async def extents(self, question: "BacklogQuestion") -> "GroupExtents":
        """
        How far partitions reach, and where a group stands in them; asked over connections there are.

        Takes a bounded time. Raises TopicMissing on a broker, or the client's own error.
        """
        ...

    async def ping(self) -> None:
        """Ask the broker something it must answer. Raises the client's own error."""
        ...

    def is_retriable(self, error: BaseException) -> bool:
        """Whether the broker may well take the same request a little later."""
        ...

    def is_refused(self, error: BaseException) -> bool:
        """Whether somebody has to mend something at the broker first: a right, or a topic that is gone."""
        ...

    def is_unreachable(self, error: BaseException) -> bool:
        """Whether *error* means that no connection could be made."""
        ...
