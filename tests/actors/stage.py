"""A pump and its partitions on a loop that is turned by hand: everything happens between two turns."""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from typing import TypeVar

import attrs
from tests.actors.calls import RETRY, Calls, Message, Owned
from tests.actors.scripted import READER

from partita.actors.partition import Partition
from partita.actors.pump import Pump
from partita.actors.routes import BoundRoute, TopicRoutes
from partita.backends.memory.records import MemoryRecord
from partita.core.finished import Finished
from partita.core.flow import FlowGate
from partita.core.leases import Lease
from partita.core.ports import Fetch, TopicPartition
from partita.testing import SimLoop

T = TypeVar("T")

KINDS = ("a", "b")
SOME = 4


class Stage:
    """
    Everything that a consumer has around its client, on virtual time.

    Args:
        calls: what handlers do.
        kinds: 1 or 2 routes.
        most_open: unfinished messages at which a partition starts no more; reading runs four times as many
            offsets ahead at the most.

    Attributes:
        owned: the partitions under their last lease.
        gone: those under earlier ones, and what each had committable at its end.
    """

    def __init__(self, calls: Calls, kinds: int, most_open: int) -> None:
        self.calls, self.most_open = calls, most_open
        self.handled = self.came_late = 0
        self.owned: dict[int, Owned] = {}
        self.gone: list[tuple[Owned, int | None]] = []
        self._task: asyncio.Task[None] | None = None
        self.loop = SimLoop()
        self.loop.set_exception_handler(lambda loop, context: calls.wrongs.append(str(context)))
        names = KINDS if kinds > 1 else (None,)
        self.routes = TopicRoutes({each: self._route(str(each)) for each in names}, "type", READER)
        self.pump = Pump(calls.concurrency * kinds, self, lambda: 0.5)
        self.start_pump()

    def _route(self, name: str) -> BoundRoute:
        calls = self.calls
        bury = calls.bury if calls.ending == "bury" else None
        route = BoundRoute(name, calls.handle, RETRY, calls.order, calls.concurrency, READER.key, bury)
        route.drop = calls.ending == "drop"
        return route

    def finished(self, count: int) -> None:
        """Count what the pump says it has handled."""
        self.handled += count

    def idle(self) -> None:
        """A partition has nothing left to do."""

    def late(self) -> None:
        """A handler returned when its partition was not ours any more."""
        self.came_late += 1

    def stop_requested(self, error: BaseException) -> None:
        """No handler asks for that here."""

    @property
    def now(self) -> float:
        """Virtual seconds."""
        return self.loop.time()

    def turn(self, scenario: Coroutine[object, None, T]) -> T:
        """Run *scenario*, then everything that is ready."""

        async def settled() -> T:
            result = await scenario
            await asyncio.sleep(1e-6)  # virtual time moves only when nothing is ready
            return result

        return self.loop.run_until_complete(settled())

    def pass_time(self, seconds: float) -> None:
        """Let virtual time go by."""
        self.turn(asyncio.sleep(seconds))

    def start_pump(self) -> None:
        """The pump's supervisor starts it, for the first time or again."""

        async def start() -> None:
            self._task = asyncio.get_running_loop().create_task(self.pump.run())
            self.calls.pumping = True

        self.turn(start())

    def stop_pump(self) -> None:
        """Its supervisor stops it: every call is cancelled, and those that cling to their end are let go."""
        for owned in self.owned.values():
            owned.interrupted = True

        task = self._task
        assert task is not None  # it was started

        async def stop() -> None:
            self.calls.pumping = False
            task.cancel()

        async def ended() -> None:
            await asyncio.wait([task], timeout=60)

        self.turn(stop())
        self.let(self.calls.running)
        self.turn(ended())
        if not task.done():
            self.calls.wrongs.append("the pump does not end")

    def close(self) -> None:
        """End everything; no task is left."""
        self.stop_pump()
        if left := asyncio.all_tasks(self.loop):
            self.calls.wrongs.append(f"tasks are left: {left}")
        self.loop.close()

    def assign(self, number: int, log: Sequence[Message], committed: int, finished: Finished) -> None:
        """A partition is ours from now on; *log* is read again from what was committed."""
        at = TopicPartition("orders", number)
        gate = FlowGate(10_000, self.most_open, 4 * self.most_open)
        partition = Partition(Lease(at), self.routes, gate, self.pump)
        partition.resume(finished)
        self.owned[number] = Owned(partition, finished, end=committed)
        again = [each for each in log if each.record.offset >= committed]
        for start in range(0, len(again), SOME):
            self.feed(number, again[start : start + SOME], committed)

    def feed(self, number: int, log: Iterable[Message], end: int) -> None:
        """A fetch arrives: messages of the log, as records of their own for this lease."""
        owned, records = self.owned[number], list[MemoryRecord]()
        for each in log:
            message = Message(attrs.evolve(each.record), each.deeds)
            self.calls.know(owned, message)
            records.append(message.record)
            if message.record.offset in owned.skipped:
                message.state, message.started = "finished", True
            owned.fed.append(message)
        start, owned.end = owned.end, max(end, records[-1].offset + 1 if records else 0)

        async def arrive() -> None:
            at, size = owned.partition.name, len(records)
            owned.partition.feed(Fetch(at, records if size % 2 else _once(records), owned.end, size, start))

        self.turn(arrive())

    def stop(self, number: int) -> None:
        """A partition is revoked: nothing more of it is started."""
        owned = self.owned[number]
        owned.stopped = True

        async def stop() -> None:
            owned.partition.stop()

        self.turn(stop())

    def lose(self, number: int) -> None:
        """A partition is gone."""
        owned = self.owned.pop(number)
        owned.stopped = owned.over = True

        async def lose() -> None:
            owned.partition.end()
            self.pump.give_up(owned.partition)

        self.turn(lose())
        self.gone.append((owned, owned.partition.committable))

    def let(self, messages: Sequence[Message]) -> None:
        """Calls that wait may go on."""

        async def let() -> None:
            for each in messages:
                if each.gate is not None and not each.gate.done():
                    each.gate.set_result(None)

        self.turn(let())


def _once(records: Sequence[MemoryRecord]) -> Iterator[MemoryRecord]:
    """As a lazy reader hands them out."""
    yield from records
