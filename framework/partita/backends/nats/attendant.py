"""
What does the work of a membership between calls: it sends the pulls and asks what the lanes ask for.

One task for all partitions of a member. It wakes when a lane has something to be done, and every 0.25 s.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable

from nats import errors
from nats.aio.msg import Msg
from nats.js.errors import APIError

from partita.backends.nats.client import Connection
from partita.backends.nats.lane import Action, Fail, Look, Reset
from partita.backends.nats.names import subject
from partita.backends.nats.pulls import Pull
from partita.backends.nats.reading import Reading
from partita.backends.nats.statuses import status_of

TICK_SECONDS = 0.25
STOP_SECONDS = 2.0
_log = logging.getLogger("partita.nats")


class Attendant:
    """
    Serves the lanes of one member.

    Args:
        connection: the member's connection.
        tick: called every 0.25 s.

    Attributes:
        readings: the partitions, in the order in which they were added.
        news: set when there are messages or events to hand over, or an error.
        error: why the membership is to be given up.
    """

    def __init__(self, connection: Connection, tick: Callable[[], None]) -> None:
        self.readings: list[Reading] = []
        self.news = asyncio.Event()
        self.error: Exception | None = None
        self._connection = connection
        self._tick_too = tick
        self._by_subject: dict[str, Reading] = {}
        self._stirred: set[Reading] = set()
        self._work = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._requests: set[asyncio.Task[None]] = set()
        self._stopping = False

    def add(self, reading: Reading) -> None:
        """Another partition to read."""
        self.readings.append(reading)
        self._by_subject[subject(*reading.at)] = reading

    def find(self, name: str) -> Reading | None:
        """The partition whose subject is *name*."""
        return self._by_subject.get(name)

    @staticmethod
    def now() -> float:
        """Seconds of the loop's clock."""
        return asyncio.get_running_loop().time()

    def deliver(self, message: Msg) -> None:
        """The client's callback for all that comes to the member's inbox."""
        status = status_of(message.headers, len(message.data))
        if status is None:
            reading = self._by_subject[message.subject]
            if reading.take(message, self.now()):
                self.news.set()
            if reading.restless:
                self.stir(reading)
            return
        _, number, token = message.subject.rsplit(".", 2)
        reading = self.readings[int(number)]
        reading.lane.status(int(token), status, self.now())
        self.stir(reading)

    def stir(self, reading: Reading) -> None:
        """There may be something to do for a partition."""
        self._stirred.add(reading)
        self._work.set()
        if reading.lane.events:
            self.news.set()

    def disconnected(self) -> None:
        """The connection was cut."""
        for reading in self.readings:
            reading.lane.pulls.forget()

    def reconnected(self) -> None:
        """It is back."""
        for reading in self.readings:
            reading.lane.reconnected(self.now())
            self.stir(reading)

    def fail(self, error: Exception) -> None:
        """Give the membership up; the first reason is the one that counts."""
        self.error = self.error or error
        self.news.set()

    def start(self) -> None:
        """Begin."""
        self._worker = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End; returns when nothing is being sent any more, at the latest after 2 s."""
        self._stopping = True
        self._work.set()
        self.news.set()
        if self._worker is not None:
            await asyncio.wait({self._worker}, timeout=STOP_SECONDS)

    async def settle(self) -> None:
        """Wait for the requests that are under way, at most 2 s; they end by themselves."""
        if self._requests:
            await asyncio.wait(self._requests, timeout=STOP_SECONDS)

    async def _run(self) -> None:
        tick_at = self.now()
        try:
            while not self._stopping:
                await self._sleep(tick_at)
                if self.now() >= tick_at:
                    tick_at = self.now() + TICK_SECONDS
                    self._tick()
                stirred, self._stirred = self._stirred, set()
                await self._serve(stirred)
        # Whatever it is, the owner of the membership hears of it from poll().
        except Exception as error:  # noqa: BLE001
            self.fail(error)

    async def _sleep(self, until: float) -> None:
        if not self._stirred:
            timer = asyncio.get_running_loop().call_at(until, self._work.set)
            await self._work.wait()
            timer.cancel()
        self._work.clear()

    def _tick(self) -> None:
        for reading in self.readings:
            if self._connection.connected:
                reading.lane.tick(self.now())
            else:
                reading.lane.lapsed(self.now())
            self.stir(reading)
        self._tick_too()

    async def _serve(self, stirred: Iterable[Reading]) -> None:
        for reading in stirred:
            # What a lane wants while the connection is down it wants anew when it is back.
            if not self._connection.connected or self._stopping:
                return
            for action in reading.lane.take_actions(self.now()):
                await self._act(reading, action)

    async def _act(self, reading: Reading, action: Action) -> None:
        if isinstance(action, Pull):
            await reading.durable.pull(action, f"{reading.inbox}.{action.token}")
        elif isinstance(action, Reset):
            self.spawn(self._reset(reading))
        elif isinstance(action, Look):
            self.spawn(self._look(reading))
        elif isinstance(action, Fail):
            self.fail(APIError(code=action.status.code, description=action.status.description))

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Run something beside; it handles its own errors."""
        task = asyncio.get_running_loop().create_task(work)
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _reset(self, reading: Reading) -> None:
        try:
            await reading.durable.reset()
        except errors.Error as error:
            reading.lane.reset_failed()
            _log.warning("%s could not be reset: %s; tried again", reading.at, type(error).__name__)
        else:
            reading.lane.reset_done()
        self.stir(reading)

    async def _look(self, reading: Reading) -> None:
        try:
            found = await reading.durable.standing()
        except APIError as error:
            reading.lane.look_failed()
            if error.code == 404:
                self.fail(error)
        except errors.Error:
            # No answer, which the missing heartbeats tell as well; the next look asks again.
            reading.lane.look_failed()
        else:
            reading.lane.looked(bool(found.pin), found.unacknowledged, found.pending, self.now())
        self.stir(reading)
