"""
Publishing: one inbox for all acknowledgements, one task that sends, and a book of what is on its way.

The client's own JetStream publish waits for one answer at a time and gives up on a message that may still
be sent after a reconnect (nats-py 2.16.0). Here a message that is not answered is sent again under the
same id until the server says that it has it, or until a deadline.
"""

import asyncio
import logging
import time
from secrets import token_hex

from nats import errors
from nats.aio.msg import Msg
from nats.js.errors import NoStreamResponseError

from partita.backends.nats import headers as wire
from partita.backends.nats.answers import DUPLICATE_IN_PROCESS, answer, is_no_responders
from partita.backends.nats.client import Connection
from partita.backends.nats.names import subject
from partita.backends.nats.partitioning import choose
from partita.backends.nats.sendings import RETRY_SECONDS, Sending, Sendings
from partita.backends.nats.topics import Layout, Topics
from partita.core.errors import Closed, MessageTooLarge, SettingsError
from partita.core.figures import Published
from partita.core.ports import Outgoing, Receipt

TICK_SECONDS = 0.25
LAYOUT_SECONDS = 30.0
STOP_SECONDS = 2.0
_log = logging.getLogger("partita.nats")


class NatsPublisher:
    """
    Sends messages over one connection.

    At most 4,096 messages or 16 MiB are under way; more wait in the order in which they came. An answer
    that does not come within 5 s has the message sent again under its id; after 30 s (less when the topic
    remembers ids for a shorter time) it fails with the client's `TimeoutError`, and then nobody knows
    whether it was stored. `Receipt.timestamp` is this machine's clock at the acknowledgement: the server
    stamps messages itself and does not say when.

    Args:
        connection: opened and closed by somebody else.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._topics = Topics(connection)
        self._book = Sendings()
        self.published = Published()
        self._ids = token_hex(8)
        self._layouts: dict[str, tuple[Layout, float]] = {}
        self._turns: dict[str, int] = {}
        self._inbox = ""
        self._work = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._stopping = False
        connection.on_reconnect.append(self._repeat)

    async def start(self) -> None:
        """Listen for acknowledgements on a connection that has just been opened; also after another one."""
        self._inbox = self._connection.new_inbox()
        await self._connection.subscribe(f"{self._inbox}.*", self._answered)
        self._repeat()
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._run())

    def _repeat(self) -> None:
        self._book.repeat_all(self._now())
        self._work.set()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def publish(self, topic: str, message: Outgoing) -> Receipt:
        """
        Send and wait for the acknowledgement. A cancelled wait does not take the message back.

        Raises:
            TopicMissing: the topic does not exist.
            MessageTooLarge: it is above the server's limit; nothing was sent.
            SettingsError: it has a timestamp, or a partition that the topic has not.
            nats.errors.Error: the client's own error.
        """
        # The message is on its way, or waits for its turn, when the waiting for its receipt is cancelled.
        return await asyncio.shield(self.send(topic, message))

    def send(self, topic: str, message: Outgoing) -> "asyncio.Future[Receipt]":
        """Send without waiting; what `publish` raises is raised when the result is awaited."""
        result: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        if self._stopping or self._worker is None:
            result.set_exception(Closed("this bus is closed"))
        elif message.timestamp is not None:
            result.set_exception(
                SettingsError("NATS stamps messages itself; publish to nats:// without timestamp=")
            )
        else:
            self._book.add(topic, message, result, self._now())
            self._work.set()
        return result

    @property
    def pending_bytes(self) -> int:
        """Bytes of messages that are not acknowledged yet."""
        return self._book.pending_bytes

    @property
    def pending_since(self) -> float | None:
        """Loop time in seconds since when the oldest of them waits; None: there is none."""
        return self._book.pending_since

    async def flush(self) -> None:
        """Wait until everything sent so far is acknowledged or has failed."""
        waiter = asyncio.get_running_loop().create_future()
        self._book.flush(waiter)
        await waiter

    async def stop(self) -> None:
        """Send nothing more."""
        self._stopping = True
        self._work.set()
        if self._worker is not None:
            await asyncio.wait({self._worker}, timeout=STOP_SECONDS)
        for sending in self._book.everything():
            self._book.done(sending, errors.ConnectionClosedError())

    async def _run(self) -> None:
        tick_at = self._now()
        while not self._stopping:
            timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._work.set)
            await self._work.wait()
            timer.cancel()
            self._work.clear()
            if self._now() >= tick_at:
                tick_at = self._now() + TICK_SECONDS
                for sending, error in self._book.expired(self._now()):
                    self._book.done(sending, error)
            if self._connection.connected:
                await self._send_what_is_due()

    async def _send_what_is_due(self) -> None:
        for sending in self._book.due(self._now()):
            if not await self._transmit(sending):
                return
        while not self._stopping and (head := self._book.head()) is not None:
            if not await self._transmit(head):
                return

    async def _transmit(self, sending: Sending) -> bool:
        """Send one message; False when nothing can be sent at the moment."""
        try:
            layout = await self._layout(sending.topic)
            await self._put(sending, layout)
        except (errors.TimeoutError, errors.NoRespondersError, errors.OutboundBufferLimitError) as error:
            # The server is away for now: the message stays where it is, to be sent again or to expire.
            sending.error = error
            return False
        # It is the caller's, through the future; the next message is not concerned.
        except Exception as error:  # noqa: BLE001
            self._book.done(sending, error)
        return self._connection.connected

    async def _put(self, sending: Sending, layout: Layout) -> None:
        message = sending.message
        sending.partition = choose(sending.topic, message, layout.partitions, self._turn(sending))
        headers = wire.encode(message, f"{self._ids}-{sending.number}")
        payload = message.value or b""
        size = wire.size(headers) + len(payload)
        if size > self._connection.max_payload:
            raise MessageTooLarge(sending.topic, size, self._connection.max_payload)
        self._book.start(sending, size)
        sending.sent(self._now(), layout.window)
        reply = f"{self._inbox}.{sending.number}"
        await self._connection.publish(subject(sending.topic, sending.partition), payload, reply, headers)

    def _turn(self, sending: Sending) -> int:
        if sending.first_at is not None:
            return sending.partition
        turn = self._turns.get(sending.topic, -1) + 1
        if sending.message.key is None:
            self._turns[sending.topic] = turn
        return turn

    async def _layout(self, topic: str) -> Layout:
        known = self._layouts.get(topic)
        if known is None or self._now() - known[1] > LAYOUT_SECONDS:
            self._layouts.pop(topic, None)
            known = self._layouts[topic] = await self._topics.layout(topic), self._now()
        return known[0]

    def _answered(self, message: Msg) -> None:
        """The client's callback for acknowledgements."""
        sending = self._book.in_flight.get(int(message.subject.rpartition(".")[2]))
        if sending is None:
            return
        if is_no_responders(message):
            # The topic is gone, or its leader; the next attempt looks it up and tells.
            self._layouts.pop(sending.topic, None)
            self._retry(sending, NoStreamResponseError())
            return
        try:
            offset = answer(message.data).number("seq")
        except errors.Error as error:
            self._refused(sending, error)
            return
        self._book.progress_at = self._now()
        self._count(sending)
        now = time.time_ns() // 1_000_000
        self._book.done(sending, Receipt(sending.topic, sending.partition, offset, now))
        if self._book.head() is not None:
            self._work.set()

    def _count(self, sending: Sending) -> None:
        sent, message = self.published.to(sending.topic, sending.partition), sending.message
        sent.count(1, len(message.key or b"") + len(message.value or b""))
        sent.waits.recent.append(self._book.progress_at - sending.since)
        sent.waits.relieve()

    def _refused(self, sending: Sending, error: errors.Error) -> None:
        # In a cluster an earlier attempt may still be under way; its outcome is told to a later one.
        if getattr(error, "err_code", None) == DUPLICATE_IN_PROCESS:
            self._retry(sending, error)
        else:
            self._book.done(sending, error)

    def _retry(self, sending: Sending, error: Exception) -> None:
        sending.error, sending.again_at = error, self._now() + RETRY_SECONDS
