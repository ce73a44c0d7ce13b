"""
Handlers that do what their messages say, and the rules that every call must keep.

This is the model of the lanes: which message was begun when, and how that ended. It knows nothing of
lanes, batons or ledgers.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable

import attrs

from partita.actors.messages import OpenMessage
from partita.actors.partition import Partition
from partita.backends.memory.records import MemoryRecord
from partita.core.finished import Finished
from partita.core.retries import PARKED_WAIT, Retry

RETRY = Retry(attempts=2, backoff=1.0, jitter=0.0)
# What a call does: return or raise at once, the same after it was let go, or hang on when it is cancelled.
DEEDS = ("done", "fails", "waits", "waits and fails", "clings")
WAITING, RUNNING, FINISHED, LATE = "waiting", "running", "finished", "late"


@attrs.define(eq=False)
class Message:
    """
    One message under one lease.

    Args:
        record: what is fed.
        deeds: what its calls do, one after the other; those without a deed return at once. All leases of
            a message use up the same ones.
    """

    record: MemoryRecord
    deeds: deque[str]
    state: str = WAITING
    due: float = 0.0
    attempt: int = 1
    burying: bool = False
    started: bool = False
    gate: asyncio.Future[None] | None = None

    @property
    def kind(self) -> bytes:
        """Whose route it takes."""
        return self.record.headers[0][1]


@attrs.define(eq=False)
class Owned:
    """A partition under one lease: the real one, and the messages that were fed to it."""

    partition: Partition
    skipped: Finished
    fed: list[Message] = attrs.field(factory=list)
    end: int = 0
    stopped: bool = False
    interrupted: bool = False
    over: bool = False

    def blocked(self, message: Message, order: str) -> bool:
        """Whether an earlier message must be finished first."""
        earlier = self.fed[: self.fed.index(message)]
        if order == "key":
            key = message.record.key
            earlier = [each for each in earlier if key is not None and each.record.key == key]
        return order != "none" and any(each.state != FINISHED for each in earlier)

    @property
    def first_unfinished(self) -> int:
        """The offset that must be handled next, else the end of what was fed."""
        return next((each.record.offset for each in self.fed if each.state != FINISHED), self.end)

    @property
    def running(self) -> bool:
        """Whether a call of it is running."""
        return any(each.state == RUNNING for each in self.fed)

    @property
    def count(self) -> int:
        """How many messages were finished under this lease."""
        return sum(each.state == FINISHED and each.record.offset not in self.skipped for each in self.fed)

    @property
    def finished(self) -> set[int]:
        """Offsets of what is finished."""
        return {each.record.offset for each in self.fed if each.state == FINISHED}


class Calls:
    """
    The calls of handlers.

    Args:
        order, concurrency: of each route.
        ending: "park", "drop" or "bury": what becomes of a message without attempts left.

    Attributes:
        wrongs: rules that were broken, in words; a machine must look here, since a pump takes whatever a
            handler raises for an outcome.
        healed: every call returns at once from now on.
        pumping: whether there is a pump that may begin calls.
    """

    def __init__(self, order: str, concurrency: int, ending: str) -> None:
        self.order, self.concurrency, self.ending = order, concurrency, ending
        self.wrongs: list[str] = []
        self.healed, self.pumping = False, False
        self.running: list[Message] = []
        self._known: dict[int, tuple[Owned, Message]] = {}

    def know(self, owned: Owned, message: Message) -> None:
        """A message is about to be fed."""
        self._known[id(message.record)] = owned, message

    def handle(self, record: object, attempt: int) -> Awaitable[object]:
        """A route's call."""
        _, message = self._known[id(record)]
        if attempt != message.attempt:
            self.wrongs.append(f"attempt {attempt} of {message} is not the one that is due")
        if message.burying:
            self.wrongs.append(f"{message} is to be buried, not handled")
        deed = message.deeds.popleft() if message.deeds and not self.healed else "done"
        return self._run(record, deed)

    def bury(self, message: OpenMessage) -> Awaitable[object]:
        """A route's dead letter: some brokers answer at once."""
        return self._run(message.record, "done" if message.offset % 2 or self.healed else "waits")

    def _begin(self, owned: Owned, message: Message) -> None:
        if message.state != WAITING or message.due > asyncio.get_running_loop().time() + 1e-9:
            self.wrongs.append(f"{message} is not due")
        if owned.stopped:
            self.wrongs.append(f"{message} was started after its partition was stopped")
        if owned.blocked(message, self.order):
            self.wrongs.append(f"{message} overtakes another")
        if not self.pumping:
            self.wrongs.append(f"{message} was started by a pump that had ended")
        self.running.append(message)
        message.state, message.started = RUNNING, True
        if self.in_flight(message.kind) > self.concurrency:
            self.wrongs.append("more calls than the route permits")

    def in_flight(self, kind: bytes) -> int:
        """How many calls of a route are running."""
        return sum(each.kind == kind for each in self.running)

    async def _run(self, record: object, deed: str) -> None:
        owned, message = self._known[id(record)]
        self._begin(owned, message)
        try:
            if deed not in ("done", "fails"):
                await self._wait(message, deed == "clings")
            if "fails" in deed:
                raise ValueError("no")
        except asyncio.CancelledError:
            # The call was given up with its partition, or ended with the pump and is due again.
            message.state, message.due = WAITING, asyncio.get_running_loop().time()
            raise
        except ValueError:
            self._failed(owned, message)
            raise
        else:
            message.state = LATE if owned.over else FINISHED
        finally:
            self.running.remove(message)

    async def _wait(self, message: Message, clings: bool) -> None:
        message.gate = asyncio.get_running_loop().create_future()
        try:
            await asyncio.shield(message.gate)
        except asyncio.CancelledError:
            if not clings:
                raise
            await message.gate  # on purpose: a handler may insist on its own end, and then that counts

    def _failed(self, owned: Owned, message: Message) -> None:
        wait = RETRY.wait(message.attempt, 0.5)
        message.state = WAITING
        if owned.stopped:
            return  # it stays unfinished, for the next owner
        if wait is None and self.ending == "drop":
            message.state = FINISHED
        elif wait is None and self.ending == "bury":
            message.burying, wait = True, 0.0
        else:
            message.attempt += 1
            wait = PARKED_WAIT if wait is None else wait
        message.due = asyncio.get_running_loop().time() + (wait or 0.0)
