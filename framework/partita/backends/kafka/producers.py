"""The one producer that runs, and its replacement when it has failed."""

import asyncio
from collections.abc import Callable
from typing import Any

import attrs
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from partita.backends.kafka import client
from partita.backends.kafka.calls import begin, ended, leave
from partita.backends.kafka.settings import KafkaSetup
from partita.core.errors import Closed

_METADATA_TRIES, _METADATA_PAUSE = 3, 0.2
_GRACE = 5.0  # seconds in which a producer that is replaced may finish the batches of other partitions


@attrs.define(eq=False)
class Running:
    """
    A started producer.

    Attributes:
        producer: the client's object.
        gone: done when it has ended; what it had not acknowledged by then never is.
    """

    producer: client.Client
    gone: asyncio.Future[None]

    def partitions_known(self, topic: str) -> int:
        """How many partitions of a topic the producer knows without asking; 0: it would have to ask."""
        return len(self.producer.client.cluster.partitions_for_topic(topic) or ())

    async def partitions(self, topic: str, seconds: float) -> int:
        """
        How many partitions a topic has; 0: there is no such topic.

        Raises:
            KafkaConnectionError: no answer within *seconds*.
            Exception: the client's own error.
        """
        for attempt in range(_METADATA_TRIES):
            if attempt:
                await asyncio.sleep(_METADATA_PAUSE)  # one just made may not be known everywhere yet
            # All topics are asked for: a request that names one makes it, if the broker permits.
            task = begin(self.producer.client.fetch_all_metadata())
            if not await ended(task, seconds):
                leave(task)
                raise KafkaConnectionError("no broker told its topics in time")
            if found := task.result().partitions_for_topic(topic):
                return len(found)
        return 0


class Producers:
    """
    Starts a producer on first use, and a new one after `retire`: a failed one is never repaired.

    Args:
        settings: what it is given.
        on_gone: called when one has ended.
    """

    def __init__(
        self, settings: KafkaSetup, on_gone: Callable[[Running], None] = lambda running: None
    ) -> None:
        self._settings = settings
        self._on_gone = on_gone
        self._running: Running | None = None
        self._latest: client.Client = None
        self._starting: asyncio.Task[Running] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def running_client(self) -> client.Client | None:
        """The client's own object, if there is one now."""
        return None if self._running is None else self._running.producer

    async def get(self) -> Running:
        """
        The producer that runs; started now if there is none.

        Raises:
            Closed: the publisher is closed.
            KafkaConnectionError: no broker could be reached within the start deadline.
            Exception: the client's own error.
        """
        if self._closed:
            raise Closed("the publisher is closed")
        if (running := self.ready()) is not None:
            return running
        if self._starting is None:
            self._starting = begin(self._start())
        starting = self._starting
        # Several wait for one start; one of them that is cancelled must not take it from the others.
        await asyncio.wait({starting})
        return starting.result()

    def ready(self) -> Running | None:
        """The producer that runs, if there is one."""
        running = self._running
        if running is not None and not client.is_alive(running.producer):
            self.retire(running)
            return None
        return running

    def make_batch(self) -> Any:
        """An empty batch of the client's; it can be sent with any producer. One was started before."""
        return self._latest.create_batch()

    async def _start(self) -> Running:
        try:
            producer = client.build(AIOKafkaProducer, self._settings.security, **self._settings.producer())
            await client.start(producer, self._settings.start_seconds)
            running = Running(producer, asyncio.get_running_loop().create_future())
            self._running, self._latest = running, producer
        finally:
            self._starting = None
        if self._closed:
            await self.retire(running, 0.0)
            raise Closed("the publisher is closed")
        return running

    def retire(self, running: Running, grace: float = _GRACE) -> asyncio.Future[None]:
        """Use this producer no more; returns what is done when it has ended, after *grace* at most."""
        if self._running is running:
            self._running = None
        task = begin(self._end(running, grace))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return running.gone

    async def _end(self, running: Running, grace: float) -> None:
        try:
            await client.end(running.producer, grace)
        finally:
            if not running.gone.done():
                running.gone.set_result(None)
                self._on_gone(running)

    async def close(self, seconds: float) -> None:
        """End the producer, in good order within *seconds*, and wait for those that are still ending."""
        self._closed = True
        if self._running is not None:
            self.retire(self._running, seconds)
        ending = {*self._ending, *([self._starting] if self._starting else [])}
        if ending:
            await asyncio.wait(ending, timeout=seconds + 2.0)
