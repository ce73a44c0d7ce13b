"""
A membership as a simulated process has it: over a wire, and for as long as the broker keeps it.

It stands at the seam of backends, around the memory backend, which knows nothing of it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TypeVar

from partita.backends.memory.subscription import MemorySubscription
from partita.core.ports import AssignmentListener, Commit, Fetch, TopicPartition
from partita.core.views import BrokerView
from partita.testing.events import Event
from partita.testing.wire import UNANSWERED_SECONDS, Wire, lost

A = TypeVar("A")
Answers = Mapping[TopicPartition, A | Exception]
Store = Callable[[Mapping[TopicPartition, Commit]], Awaitable[Answers[A]]]

SESSION_SECONDS = 6.0


class Listening:
    """
    Hands the events of a group on to a process, which may be frozen or dead.

    Args:
        inner: the consumer's own listener.
        wire: the connection.
        group: the group.
    """

    def __init__(self, inner: AssignmentListener, wire: Wire, group: str) -> None:
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed = False
        self._inner, self._wire, self._group = inner, wire, group

    def _note(self, what: str, at: TopicPartition, text: str = "") -> None:
        self._wire.note_at(self._group, what, at, text=text)

    def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """These are the process's."""
        for at in partitions:
            self._note("given", at, "to nobody" if self.closed else "")
        if partitions and not self.closed and self._wire.strikes("lost assignment"):
            self._wire.deceive()
            return

        def hand_on() -> None:
            if self.closed:
                return
            for at in partitions:
                self._note("assigned", at)
            self._inner.assigned(partitions)

        self._wire.process.call(hand_on)

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Wait until the process gives these up, or is given up itself."""
        drain = self._wire.process.spawn(self._revoke(partitions))
        await asyncio.wait({drain, self.gone}, return_when=asyncio.FIRST_COMPLETED)

    async def _revoke(self, partitions: Collection[TopicPartition]) -> None:
        await self._wire.travel()
        if self.closed:
            return
        for at in partitions:
            self._note("revoking", at)
        await self._inner.revoked(partitions)
        for at in partitions:
            self._note("revoked", at)
        await self._wire.travel()

    def lost(self, partitions: Collection[TopicPartition]) -> None:
        """These are somebody else's."""

        def hand_on() -> None:
            if self.closed:
                return
            for at in partitions:
                self._note("lost", at)
            self._inner.lost(partitions)

        self._wire.process.call(hand_on)


class SimSubscription:
    """
    A membership over a wire.

    Args:
        inner: the membership at the broker.
        wire: the connection.

    Attributes:
        silent: whether it hands out nothing any more and says nothing of it.
    """

    def __init__(self, inner: MemorySubscription, wire: Wire) -> None:
        self._inner, self._wire, self._group = inner, wire, inner.membership.group
        self._listening: Listening | None = None
        self.silent = False

    async def start(self, listener: AssignmentListener) -> None:
        """Join the group. Raises ConnectionError."""
        await self._wire.ask("join")
        self._wire.rebuilt()
        self._listening = Listening(listener, self._wire, self._group)
        self._wire.members.append(self)
        await self._at_broker(self._inner.start(self._listening))

    async def _at_broker(self, work: Awaitable[None]) -> None:
        """What the broker has begun goes on whatever becomes of the process."""

        async def done() -> None:
            await work

        # The group would be left half joined; what the broker does waits for nobody.
        await asyncio.shield(asyncio.get_running_loop().create_task(done(), context=self._wire.world))

    async def poll(self, closed: Collection[TopicPartition], timeout: float) -> Sequence[Fetch]:
        """What has arrived. Raises ConnectionError, also when this member was thrown out."""
        if self.silent:
            await asyncio.sleep(timeout)
            return ()
        await self._wire.ask("fetch")
        if self not in self._wire.members:
            raise ConnectionError("simulated: this member was thrown out of its group")
        fetches = await self._inner.poll(closed, timeout)
        if self._wire.down:
            raise lost("fetch")
        return fetches

    async def commit(self, commits: Mapping[TopicPartition, Commit]) -> Mapping[TopicPartition, Exception]:
        """Store offsets, or fail."""
        return await self._request(commits, self._inner.commit)

    async def begin(
        self, starts: Mapping[TopicPartition, Commit]
    ) -> Mapping[TopicPartition, int | Exception]:
        """Store where assignments start, or fail."""
        answers = await self._request(starts, self._inner.begin)
        for at, answer in answers.items():
            if not isinstance(answer, Exception):
                self._wire.note_at(self._group, "fenced", at, answer)
        return answers

    async def _request(self, commits: Mapping[TopicPartition, Commit], store: Store[A]) -> Answers[A]:
        generation = self._inner.generation
        for at, each in commits.items():
            self._wire.note_at(self._group, "commit sent", at, each.offset, each.metadata)

        async def store_in_time(sent: Mapping[TopicPartition, Commit]) -> Answers[A]:
            if self._inner.generation != generation:
                raise ConnectionError("simulated: the group has moved on")
            return await store(sent)

        # The request is on its way, or stored and unanswered; it goes on within the time of an answer.
        return await asyncio.shield(self._wire.process.spawn(self._store(commits, store_in_time)))

    async def _store(self, commits: Mapping[TopicPartition, Commit], store: Store[A]) -> Answers[A]:
        """What has been sent goes on whatever becomes of who waits for it."""
        try:
            await self._wire.ask("commit")
            if self._wire.strikes("lost commit"):
                await asyncio.sleep(UNANSWERED_SECONDS)
                raise lost("commit")
            if self._wire.strikes("refused commit"):
                raise ConnectionError("simulated: refused")
            answers = await store(commits)
            for at, each in commits.items():
                refused = isinstance(answers.get(at), Exception)
                what = "commit failed" if refused else "commit stored"
                self._wire.note_at(self._group, what, at, each.offset, each.metadata)
            await self._wire.answered("commit")
            if self._wire.strikes("unanswered commit"):
                raise lost("commit")
        except ConnectionError as error:
            for at in commits:
                self._wire.note_at(self._group, "commit failed", at)
            return dict.fromkeys(commits, error)
        return answers

    async def committed(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, Commit]:
        """What the group has stored. Raises ConnectionError."""
        await self._wire.ask("offsets")
        stored = await self._inner.committed(partitions)
        await self._wire.answered("offsets")
        return stored

    def skip(self, partition: TopicPartition, offset: int) -> None:
        """Go on at *offset*."""
        self._inner.skip(partition, offset)

    async def unread(self) -> Mapping[TopicPartition, int]:
        """Messages not handed out yet. Raises ConnectionError."""
        await self._wire.ask("end offsets")
        return await self._inner.unread()

    async def view(self) -> BrokerView:
        """How the broker sees this member. Raises ConnectionError."""
        await self._wire.ask("group")
        view = await self._inner.view()
        await self._wire.answered("group")
        return view

    async def close(self) -> None:
        """Leave the group; a broker that cannot be reached finds out by itself."""
        self._wire.log.note(Event(0.0, self._wire.process.name, "left", group=self._group))
        if self._listening is not None:
            self._listening.closed = True
        await self._wire.travel()
        if self._wire.down or self._wire.process.dead:
            loop = asyncio.get_running_loop()
            loop.call_later(SESSION_SECONDS, self.expel, context=self._wire.world.copy())
        elif self._leave():
            await self._at_broker(self._inner.close())

    def _leave(self) -> bool:
        if self not in self._wire.members:
            return False
        self._wire.members.remove(self)
        if self._listening is not None and not self._listening.gone.done():
            self._listening.gone.set_result(None)
        return True

    def expel(self) -> None:
        """The broker throws this member out; it finds out at its next fetch."""
        if self._leave():
            asyncio.get_running_loop().create_task(self._expelled(), context=self._wire.world.copy())

    async def _expelled(self) -> None:
        if self._listening is not None and not self._listening.closed:
            self._wire.log.note(Event(0.0, self._wire.process.name, "expelled", group=self._group))
        await self._inner.close()
