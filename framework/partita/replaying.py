"""
A replay under way: dead letters go out in order, many at once, and what the broker has is remembered.

Which letter goes out and what is remembered of it is decided in `core.replays`.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing

import anyio
import attrs

from partita.core.dead_letters import replayed
from partita.core.health import describe
from partita.core.ports import Backend, Outgoing, Receipt, TopicPartition
from partita.core.replays import Remembered, ReplaySettings, ReplaySummary, Verdict, is_full
from partita.message import Message
from partita.reading import Part, Reading

IN_FLIGHT = 100
REMEMBER_SECONDS = 1.0
END_SECONDS = 30.0
SURELY_SECONDS = 5.0
AGAIN_SECONDS = 0.1

Send = Callable[[str, Outgoing], Awaitable[Receipt]]
Watch = Callable[[int, int], object]
Judge = Callable[[Message], tuple[Verdict, str]]


@attrs.frozen(eq=False)
class Sent:
    """A letter that is on its way: its offset and key, whose it is, and the broker's answer."""

    offset: int
    key: bytes | None
    partition: Remembered
    delivery: Awaitable[Receipt]


class Sending:
    """
    Publishes letters, many at once and never two with one key.

    Args:
        send: publishes without waiting.
        limit: how many letters may fail. No more are on their way than may still fail.

    Attributes:
        errors: the client's own error for each letter that failed.
    """

    def __init__(self, send: Send, limit: int) -> None:
        self._send, self._limit = send, limit
        self._sent: deque[Sent] = deque()
        self._failed_keys: set[bytes] = set()
        self.errors: list[Exception] = []
        self.replayed = 0

    @property
    def stopped(self) -> bool:
        """Whether as many letters have failed as may."""
        return len(self.errors) >= self._limit

    async def ready_for(self, key: bytes | None) -> bool:
        """Wait until a letter with this key may go; False: one with this key has failed, or too many have."""
        while self._sent and (len(self._sent) >= self._room or self._is_under_way(key)):
            await self._oldest()
        return not self.stopped and key not in self._failed_keys

    @property
    def _room(self) -> int:
        return min(IN_FLIGHT, self._limit - len(self.errors))

    def _is_under_way(self, key: bytes | None) -> bool:
        return key is not None and any(each.key == key for each in self._sent)

    def add(self, topic: str, message: Message, partition: Remembered) -> None:
        """Send one letter; `ready_for` has said that it may go."""
        outgoing = replayed(message.value, message.key, message.headers)
        delivery = self._send(topic, outgoing)
        self._sent.append(Sent(message.offset, message.key, partition, delivery))

    async def settle(self) -> None:
        """Wait for all that is on its way."""
        while self._sent:
            await self._oldest()

    async def _oldest(self) -> None:
        each = self._sent[0]
        try:
            await each.delivery
        except Exception as error:  # noqa: BLE001 - it is the caller's, in the summary
            self.errors.append(error)
            each.partition.leave(each.offset)
            if each.key is not None:
                self._failed_keys.add(each.key)
        else:
            self.replayed += 1
            each.partition.done(each.offset)
        self._sent.popleft()


class Replay:
    """
    One replay of a dead-letter topic.

    Args:
        backend: where the topic is.
        send: publishes without waiting.
        settings: how.
        judge: says of a message what becomes of it, and the topic it goes to.
    """

    def __init__(self, backend: Backend, send: Send, settings: ReplaySettings, judge: Judge) -> None:
        self._backend, self._settings, self._judge = backend, settings, judge
        self._sending = Sending(send, settings.stop_after_failures)
        self._partitions: dict[TopicPartition, Remembered] = {}
        self._leases: dict[TopicPartition, object] = {}
        self._full: set[TopicPartition] = set()
        self._counts: Counter[Verdict] = Counter()
        self._lock = anyio.Lock()
        self._fault: Exception | None = None
        self._next_at = self._remembered_at = 0.0

    async def run(self, topic: str, group: str, watch: Watch) -> ReplaySummary:
        """
        Replay what there is now.

        Args:
            topic: the dead-letter topic.
            group: remembers what was replayed.
            watch: called with the messages done and those there are.

        Raises:
            Exception: the client's own error.
        """
        async with Reading(self._backend, topic, group, self._going) as reading:
            try:
                await self._go(reading, watch)
                await self._remember(reading, surely=True)
            except BaseException as error:
                # Also when cancelled: letters are on their way, and what the broker has is not remembered.
                with anyio.move_on_after(END_SECONDS, shield=True):
                    await self._remember_after(reading, error)
                raise
        counts, sending = self._counts, self._sending
        sent = counts[Verdict.REPLAY] if self._settings.dry_run else sending.replayed
        return ReplaySummary(sent, counts[Verdict.LEAVE], counts[Verdict.REFUSE], tuple(sending.errors))

    async def _go(self, reading: Reading, watch: Watch) -> None:
        done, total = 0, sum(reading.left.values())
        async with aclosing(reading.parts()) as parts:
            async for part in parts:
                async for _ in self._taken(part, reading):
                    done = min(done + 1, total)
                    watch(done, total)
                if self._sending.stopped:
                    return
                await self._finish(part, reading)

    async def _taken(self, part: Part, reading: Reading) -> AsyncIterator[None]:
        """Deal with the messages of a part; yields after each."""
        for record in part.records:
            if not await self._take(Message(record, self._backend.reader), part, reading):
                return
            yield

    async def _take(self, message: Message, part: Part, reading: Reading) -> bool:
        """Deal with one message; False when nothing more of this part may be looked at."""
        partition = await self._partition(part, reading)
        verdict, topic = self._verdict(message, partition)
        if verdict is Verdict.REPLAY:
            await self._pace()
        if self._fault is not None:
            raise self._fault
        # Not while partitions are given away: what is sent afterwards would be sent by two.
        async with self._lock:
            if verdict is Verdict.REPLAY and not self._settings.dry_run:
                free = await self._sending.ready_for(message.key)
                if self._sending.stopped:
                    return False
                verdict = verdict if free else Verdict.LEAVE
            if not reading.holds(part):
                return False
            self._counts[verdict] += 1
            if verdict in (Verdict.LEAVE, Verdict.REFUSE):
                partition.leave(message.offset)
            elif verdict is Verdict.REPLAY and not self._settings.dry_run:
                self._sending.add(topic, message, partition)
            partition.read_to(message.offset + 1)
        if asyncio.get_running_loop().time() - self._remembered_at >= REMEMBER_SECONDS:
            await self._remember(reading)
        return True

    async def _partition(self, part: Part, reading: Reading) -> Remembered:
        """What is known of a partition; asked for anew at each assignment."""
        at = part.partition
        if self._leases.get(at) is not part.lease:
            self._partitions[at] = Remembered.read(await reading.committed(at))
            self._leases[at] = part.lease
            self._full.discard(at)
        return self._partitions[at]

    def _verdict(self, message: Message, partition: Remembered) -> tuple[Verdict, str]:
        if partition.is_done(message.offset):
            return Verdict.PASS, ""
        verdict, topic = self._judge(message)
        full = TopicPartition(message.topic, message.partition) in self._full
        return (Verdict.LEAVE if full and verdict is Verdict.REPLAY else verdict), topic

    async def _finish(self, part: Part, reading: Reading) -> None:
        """A part was looked at to its end: its position may be above its last message."""
        async with self._lock:
            if reading.holds(part) and part.partition in self._partitions:
                self._partitions[part.partition].read_to(part.position)

    async def _pace(self) -> None:
        if self._settings.rate is None:
            return
        now = asyncio.get_running_loop().time()
        wait, self._next_at = self._next_at - now, max(self._next_at, now) + 1 / self._settings.rate
        if wait > 0:
            await asyncio.sleep(wait)

    async def _remember(self, reading: Reading, surely: bool = False) -> None:
        """
        Wait for what is on its way, and store what is done. What is refused goes with the next commit.

        Args:
            reading: where the letters come from.
            surely: try again for up to 5 s, because there may be no next commit.

        Raises:
            Exception: the client's own error for what was not *surely* stored.
        """
        loop = asyncio.get_running_loop()
        async with self._lock:
            await self._sending.settle()
            if self._settings.dry_run:
                return
            until = loop.time() + SURELY_SECONDS
            while refused := await self._store(reading):
                if not surely:
                    break
                if loop.time() >= until:
                    raise next(iter(refused.values()))
                await asyncio.sleep(AGAIN_SECONDS)
            self._remembered_at = loop.time()

    async def _store(self, reading: Reading) -> Mapping[TopicPartition, Exception]:
        commits = {at: made for at, each in self._partitions.items() if (made := each.commit())}
        self._full |= {at for at, commit in commits.items() if is_full(commit)}
        return await reading.commit(commits)

    async def _going(self, reading: Reading) -> None:
        """Partitions go to another member; who asks for them back must not see an error."""
        try:
            await self._remember(reading, surely=True)
        except Exception as error:  # noqa: BLE001 - `run` raises it at the next letter
            self._fault = error

    async def _remember_after(self, reading: Reading, error: BaseException) -> None:
        try:
            await self._remember(reading, surely=True)
        except Exception as another:  # noqa: BLE001 - the first error is raised, and says so
            error.add_note(f"what was replayed is not all remembered: {describe(another)}")
